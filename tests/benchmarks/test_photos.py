import numpy as np
import pytest

from pellucid.errors import PellucidError


@pytest.fixture
def data(monkeypatch, tmp_path):
    """An empty data folder, and no other."""
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "data"


def test_noise_is_seeded_by_the_index_and_not_clipped(part):
    protocol = part("photo_parts.protocol")
    clean = np.full((64, 64, 3), 250, np.uint8)
    weak, strong, other = (protocol.noisy(clean, *arguments) for arguments in ((15, 3), (30, 3), (15, 4)))
    assert weak.dtype == np.float32
    assert weak.max() > 1
    assert (weak - 250 / 255).std() * 255 == pytest.approx(15, rel=0.03)
    np.testing.assert_allclose(strong - 250 / 255, 2 * (weak - 250 / 255), atol=1e-6)
    assert not np.array_equal(weak, other)


def test_outputs_are_clipped_and_rounded_before_they_are_scored(part):
    protocol = part("photo_parts.protocol")
    quantized = protocol.quantize(np.array([[-0.5, 0.5 / 255, 0.7 / 255, 1.4, np.nan]]))
    assert quantized.dtype == np.uint8
    assert quantized.tolist() == [[0, 0, 1, 255, 0]]
    black, gray = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 51, np.uint8)
    assert protocol.psnr(black, gray) == pytest.approx(20 * np.log10(5))
    assert protocol.psnr(gray, gray) == np.inf


def test_a_missing_set_is_named_with_the_remedy(part, data):
    protocol, tables = part("photo_parts.protocol"), part("photo_parts.tables")
    with pytest.raises(tables.PartSkipped, match=r"test-photos/Set12 is in none of .*: set PELLUCID_DATA"):
        protocol.folder("test-photos", "Set12")


def test_methods_that_are_missing_are_skipped_with_the_reason(part):
    tables = part("photo_parts.tables")

    def failing():
        raise tables.PartSkipped("BM3D: not installed")

    def broken():
        raise PellucidError("unknown model")

    assert tables.collect([lambda: 1, failing, broken]) == (
        [1],
        ["skipped: BM3D: not installed", "skipped: unknown model"],
    )


def test_quality_is_the_mean_over_all_images_and_over_those_of_the_slowest_method(part):
    quality = part("photo_parts.quality")
    scores = {
        "photo": {sigma: [30.0, 31.0, 35.0] for sigma in (15, 25, 50)},
        "DnCNN": {25: [29.0, 30.0, 31.0]},
        "BM3D": {sigma: [28.0, 29.0] for sigma in (15, 25, 50)},
    }
    table = quality.table("Set12", scores, 3, ["skipped: FFDNet"])
    rows = {row["denoiser"]: row for row in table.to_dict()["rows"]}
    assert (rows["photo"]["15"], rows["photo"]["first 2: 15"]) == (32, 30.5)
    assert (rows["DnCNN"]["15"], rows["DnCNN"]["25"]) == (None, 30)
    assert (rows["BM3D"]["25"], rows["BM3D"]["first 2: 25"]) == (None, 28.5)
    assert rows["DRUNet (published)"]["50"] == 27.90
    assert table.notes[-1] == "skipped: FFDNet"
    assert table.cells()[2] == ["BM3D", "", "", "", "28.50", "28.50", "28.50"]


def test_times_are_compared_round_by_round(part):
    speed = part("photo_parts.speed")
    assert speed.times_faster([1.0, 2.0, 1.0], [8.0, 20.0, 9.0]) == 9
    fast = speed.Round(seconds=0.5, cpu_seconds=0.9, psnr=30.0, memory=100.0)
    slow = speed.Round(seconds=5.0, cpu_seconds=9.0, psnr=29.0, memory=200.0)
    options = part("photo_parts.options").Options({}, rounds=2)
    table = speed.table({"photo": [fast, fast], "DnCNN": [slow, slow]}, [np.zeros((512, 512))], options, [])
    assert [row["x DnCNN"] for row in table.to_dict()["rows"]] == [10, 1]


def test_a_worker_denoises_in_a_process_of_its_own(part):
    speed, methods = part("photo_parts.speed"), part("photo_parts.methods")
    image = np.full((16, 16), 128, np.uint8)
    tables = part("photo_parts.tables")
    with speed.start_worker(methods.Method("noisy", methods._identity), [image], threads=1) as worker:
        result = worker.run_round(0)
    assert result.seconds > 0 and result.memory > 1
    assert 18 < result.psnr < 22
    with (
        pytest.raises(tables.PartSkipped, match=r"broken: \w+Error: "),
        speed.start_worker(methods.Method("broken", part), [image], threads=1),
    ):
        pass


def test_unchanged_images_count_with_a_limited_psnr(part):
    automatic = part("photo_parts.automatic")
    images = [np.full((8, 8, 3), value, np.uint8) for value in (10, 200)]
    brighter = automatic.changes(lambda image, sigma: image + np.float32(51 / 255 * (image.mean() < 0.5)), images)
    assert brighter == pytest.approx(((60 + 20 * np.log10(5)) / 2, 20 * np.log10(5), 0.2))


def test_errors_of_estimates_in_their_own_units_and_relative(part):
    estimates = part("photo_parts.noise_estimates")
    assert estimates.errors([11.0, 18.0], [10.0, 20.0]) == (14.5, 1.5, pytest.approx(0.1))
    assert estimates.errors([1.0, 3.0], [0.0, 0.0]) == (2.0, 2.0, None)


def test_networks_by_name_and_by_file(part):
    options = part("photo_parts.options")
    assert options.models([]) == {"photo": ("photo",), "photo-fast": ("photo-fast",)}
    named = options.models(["mine=a.onnx", "mine=a.safetensors"])
    assert named == {"mine": ("a.onnx", "a.safetensors")}
    assert options.source_for(named["mine"], "torch") == "a.safetensors"
    assert options.source_for(("photo",), "torch") == "photo"
    assert options.source_for(("a.onnx",), "torch") is None
    with pytest.raises(ValueError, match="NAME=FILE"):
        options.models(["mine="])


def test_a_peer_of_zero_weights_returns_its_input(part):
    torch = pytest.importorskip("torch")
    peers = part("photo_parts.peer_networks")
    shapes = {"DnCNN": (1, 1), "FFDNet": (13, 12)}
    for name, (inside, outside) in shapes.items():
        state = {
            "model.0.weight": torch.zeros(8, inside, 3, 3),
            "model.0.bias": torch.ones(8),
            "model.2.weight": torch.zeros(outside, 8, 3, 3),
            "model.2.bias": torch.zeros(outside),
        }
        noisy = torch.rand(1, 1 if name == "DnCNN" else 3, 9, 7)
        denoised = getattr(peers, name)(state)(noisy, 0.1)
        assert denoised.shape == noisy.shape
        torch.testing.assert_close(denoised, noisy if name == "DnCNN" else torch.zeros_like(noisy))


def test_a_plot_of_quality_against_time(part, tmp_path):
    pytest.importorskip("matplotlib")
    plots, tables = part("photo_parts.plots"), part("photo_parts.tables")
    table = tables.Table(
        "Speed", {"denoiser": "", "PSNR": ".2f", "s": ".3f"}, [("photo, a", 30.0, 0.1), ("b", 28.0, 2.0)]
    )
    plots.quality_against_time(table, ("photo",), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_without_data_every_part_on_quality_is_skipped_with_a_message(part, data, capsys, monkeypatch):
    program = part("photos")
    monkeypatch.setattr("sys.argv", ["photos.py", "--parts", "quality", "camera", "clean-input"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 1
    printed = capsys.readouterr().out
    for name in ("quality skipped: ", "camera skipped: ", "clean-input skipped: "):
        assert name in printed


def test_a_plot_needs_the_part_that_it_shows(part, capsys):
    with pytest.raises(SystemExit):
        part("photos").parse_arguments(["--parts", "camera", "--plot", "picture.png"])
    assert "the part speed" in capsys.readouterr().err


def test_quality_is_measured_on_all_sets_or_on_those_named(part, monkeypatch):
    quality, options = part("photo_parts.quality"), part("photo_parts.options")
    monkeypatch.setattr(quality, "one_set", lambda options, name, channels: quality.Table(name, {}, []))
    named = tuple(part("photos").parse_arguments(["--sets", "Set12", "BSD68"]).sets)
    for sets, measured in ((options.Options.sets, ["CBSD68", "BSD68", "Set12"]), (named, ["Set12", "BSD68"])):
        assert [table.title for table in quality.quality(options.Options(models={}, sets=sets))] == measured
