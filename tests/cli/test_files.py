"""The commands that run on image files."""

import csv
import itertools
import json

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.image import folders, read_image, write_image


def test_denoise_keeps_names_and_formats_and_leaves_originals(run, trained, digits, tmp_path):
    before = {path: path.read_bytes() for path in digits.rglob("*.png")}
    outcome = run("denoise", digits, "-o", tmp_path / "out", "--model", trained["dense"] / "best.safetensors")
    assert outcome.status == 0
    assert outcome.stdout == f"5 images denoised: {tmp_path / 'out'}\n"
    written = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {path.relative_to(digits) for path in before}
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_gray_convolutional_model_cleans_color_with_depth_alpha_and_resolution_kept(run, trained, photo, tmp_path):
    out = tmp_path / "clean.png"
    assert run("denoise", photo, "-o", out, "--model", trained["conv"] / "best.safetensors").status == 0
    before, after = read_image(photo), read_image(out)
    assert after.pixels.shape == before.pixels.shape and after.pixels.dtype == np.uint16
    assert before.alpha is not None and after.alpha is not None and np.array_equal(before.alpha, after.alpha)
    assert after.dpi == pytest.approx((300, 300), abs=0.1)
    assert not np.array_equal(before.pixels, after.pixels)


def test_a_failed_file_is_named_and_skipped(run, trained, digits, tmp_path):
    (digits / "2.png").write_bytes(b"no image")
    outcome = run("denoise", digits, "-o", tmp_path / "out", "--model", trained["dense"] / "best.safetensors")
    assert outcome.status == 1
    first, last = outcome.stderr.splitlines()
    assert first.startswith(f"pellucid: skipped: {digits / '2.png'} ")
    assert last == "pellucid: 1 of 5 images failed"
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.png")) == ["0.png", "1.png", "3.png", "4.png"]


def test_existing_outputs_are_refused_skipped_or_overwritten(run, refused, digits, tmp_path):
    command = ("add-noise", digits, "-o", tmp_path / "out", "--noise", "gaussian(sigma=25)")
    assert run(*command).status == 0
    kept = (tmp_path / "out/0.png").read_bytes()
    assert refused(2, *command) == (
        f"{tmp_path / 'out/0.png'} and 4 more exists already: "
        "name another output, or give --overwrite or --skip-existing"
    )
    (tmp_path / "out/1.png").unlink()
    assert run(*command, "--seed", 1, "--skip-existing").stdout.startswith("1 image with")
    assert (tmp_path / "out/0.png").read_bytes() == kept
    assert run(*command, "--seed", 1, "--overwrite").status == 0
    assert (tmp_path / "out/0.png").read_bytes() != kept
    assert run(*command, "--skip-existing").stdout == "nothing to do: all outputs exist\n"
    assert "exclude each other" in refused(2, *command, "--skip-existing", "--overwrite")


def test_originals_are_never_overwritten(refused, digits):
    line = refused(2, "add-noise", digits, "-o", digits, "--noise", "gaussian", "--overwrite")
    assert "is an original, which is never overwritten" in line


def test_two_images_never_share_an_output(refused, digits, tmp_path):
    line = refused(2, "add-noise", digits / "0.png", digits, "-o", tmp_path / "out", "--noise", "gaussian")
    assert "would both become" in line


def test_many_images_do_not_go_into_one_file(refused, digits):
    line = refused(2, "add-noise", digits, "-o", digits / "0.png", "--noise", "gaussian", "--overwrite")
    assert line == f"{digits / '0.png'} is a file, but there are 5 images to write: name a folder"


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_noise_has_the_requested_level(run, tmp_path, depth):
    top = np.iinfo(depth).max
    write_image(tmp_path / "flat.png", np.full((100, 100), top // 2, depth))
    command = ("add-noise", tmp_path / "flat.png", "-o", tmp_path / "noisy.png", "--noise", "gaussian(sigma=25)")
    assert run(*command).status == 0
    noisy = read_image(tmp_path / "noisy.png").pixels
    assert noisy.dtype == depth
    assert noisy.std() / top * 255 == pytest.approx(25, rel=0.03)


def test_the_same_seed_and_name_give_the_same_noise_other_names_another(run, tmp_path):
    names = ("a.png", "b.png")
    (tmp_path / "in").mkdir()
    for name in names:
        write_image(tmp_path / "in" / name, np.full((16, 16), 100, np.uint8))
    for out in ("one", "two"):
        assert run("add-noise", tmp_path / "in", "-o", tmp_path / out, "--noise", "uniform(high=60)").status == 0
    noisy = {(out, name): read_image(tmp_path / out / name).pixels for out in ("one", "two") for name in names}
    assert np.array_equal(noisy["one", "a.png"], noisy["two", "a.png"])
    assert not np.array_equal(noisy["one", "a.png"], noisy["one", "b.png"])


def test_floats_are_clipped_only_if_asked(run, tmp_path):
    write_image(tmp_path / "white.tif", np.ones((50, 50), np.float32))
    for flag, above in (("--clip", False), ("--no-clip", True)):
        out = tmp_path / f"{flag}.tif"
        assert run("add-noise", tmp_path / "white.tif", "-o", out, "--noise", "gaussian(sigma=25)", flag).status == 0
        assert (read_image(out).pixels.max() > 1) == above


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ("gausian(sigma=25)", 'unknown noise "gausian" (did you mean "gaussian"?)'),
        ("gaussian(sigm=25)", 'noise "gaussian" has no option "sigm" (did you mean "sigma"?)'),
        ("gaussian(sigma", 'cannot read "gaussian(sigma"'),
        ("gaussian(sigma=5000)", "sigma is 5000, give a number from 0 to 1020; white is 255"),
        ("gaussian(sigma='a')", "sigma is 'a', give a number from 0 to 1020"),
        ("masking(fraction=2)", "fraction=2"),
    ],
)
def test_wrong_noise_is_wrong_usage(refused, digits, tmp_path, noise, message):
    assert message in refused(2, "add-noise", digits, "-o", tmp_path / "out", "--noise", noise)
    assert not (tmp_path / "out").exists()


def test_classify_shows_both_readings(run, trained, digits):
    model = trained["dense"] / "combined.safetensors"
    outcome = run("classify", digits / "0.png", digits / "1.png", "--model", model, "--json", "-")
    predictions = json.loads(outcome.stdout)
    assert [prediction["file"] for prediction in predictions] == [str(digits / "0.png"), str(digits / "1.png")]
    for prediction in predictions:
        assert prediction["label"] in "0123456789" and prediction["label_denoised"] in "0123456789"
        assert 0.1 <= prediction["confidence"] <= 1 and 0.1 <= prediction["confidence_denoised"] <= 1
    assert "as it is" in outcome.stderr and "%" in outcome.stderr


def test_classify_wants_a_combined_checkpoint(refused, trained, digits):
    assert "holds no classifier" in refused(2, "classify", digits, "--model", trained["dense"] / "best.safetensors")


@pytest.mark.parametrize(("model", "size"), [("dense", (16,)), ("conv", (4, 2, 2))])
def test_encode_writes_names_and_codes(run, trained, digits, tmp_path, model, size):
    checkpoint = trained[model] / "best.safetensors"
    for suffix in ("npz", "npy", "csv"):
        outcome = run("encode", digits, "-o", tmp_path / f"codes.{suffix}", "--model", checkpoint)
        assert outcome.status == 0 and "5 codes of" in outcome.stdout
    with np.load(tmp_path / "codes.npz") as file:
        names, codes = file["names"].tolist(), file["codes"]
    assert names == ["0.png", "1.png", "2.png", "3.png", "deep/4.png"]
    assert codes.shape == (5, *size)
    assert np.array_equal(np.load(tmp_path / "codes.npy"), codes)
    with (tmp_path / "codes.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0][:2] == ["name", "code0"] and [row[0] for row in rows[1:]] == names
    assert np.array([row[1:] for row in rows[1:]], float) == pytest.approx(codes.reshape(5, -1), rel=1e-5)


def test_encode_refuses_what_it_cannot_write_or_stack(refused, trained, digits, tmp_path):
    model = ("--model", trained["conv"] / "best.safetensors")
    assert 'no format ".txt"' in refused(2, "encode", digits, "-o", tmp_path / "codes.txt", *model)
    write_image(digits / "9.png", np.zeros((9, 12), np.uint8))
    assert "is 9x12" in refused(2, "encode", digits, "-o", tmp_path / "codes.npz", *model)
    (tmp_path / "codes.csv").write_text("mine")
    assert "exists already" in refused(2, "encode", digits, "-o", tmp_path / "codes.csv", *model)
    assert not (tmp_path / "codes.npz").exists() and (tmp_path / "codes.csv").read_text() == "mine"


def test_outliers_come_first_and_are_flagged(run, trained, digits, tmp_path):
    write_image(digits / "odd.png", np.full((8, 8), 255, np.uint8))
    model = trained["dense"] / "best.safetensors"
    outcome = run("outliers", digits, "--model", model, "--top", 2, "--json", tmp_path / "odd.json")
    assert outcome.status == 0
    listed = json.loads((tmp_path / "odd.json").read_text())
    errors = [entry["error"] for entry in listed["images"]]
    assert len(errors) == 6 and errors == sorted(errors, reverse=True)
    assert all(entry["outlier"] == (entry["error"] > listed["threshold"]) for entry in listed["images"])
    assert listed["images"][0]["file"] == str(digits / "odd.png")
    assert outcome.stdout.count(".png") == 2


@pytest.mark.parametrize(
    ("command", "model"),
    # A gray convolutional network takes color channel by channel when it denoises, and only then.
    [*itertools.product(["classify", "encode", "outliers"], ["dense", "conv"]), ("denoise", "dense")],
)
def test_an_image_that_does_not_fit_the_model_is_named(refused, trained, photo, tmp_path, model, command):
    arguments = {"encode": ("-o", tmp_path / "c.npz"), "denoise": ("-o", tmp_path / "out.png")}.get(command, ())
    place = photo.parent if command == "outliers" else photo
    line = refused(2, command, place, *arguments, "--model", trained[model] / "combined.safetensors")
    assert "3 channels, the model takes 1" in line and "convert" in line
    assert command == "denoise" or str(photo) in line
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png"]


def test_an_image_of_the_wrong_size_is_refused(refused, trained, tmp_path):
    write_image(tmp_path / "big.png", np.zeros((28, 28), np.uint8))
    out = ("-o", tmp_path / "out.png")
    line = refused(2, "denoise", tmp_path / "big.png", *out, "--model", trained["dense"] / "best.safetensors")
    assert "28x28, the model takes 8x8 alone: resize or crop the image" in line


def test_a_full_disk_leaves_nothing_half_written(run, trained, digits, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    outcome = run("denoise", digits, "-o", tmp_path / "out", "--model", trained["dense"] / "best.safetensors")
    assert outcome.status == 1 and outcome.stderr.count("the disk is full") == 5
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_no_images_and_no_such_file(refused, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    rest = ("-o", tmp_path / "out", "--model", trained["dense"] / "best.safetensors")
    assert refused(1, "denoise", tmp_path / "empty", *rest).startswith(f"no images in {tmp_path / 'empty'}")
    assert (
        refused(1, "denoise", tmp_path / "gone.png", *rest) == f"{tmp_path / 'gone.png'} does not exist: check its name"
    )
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_made_is_said_once(refused, trained, digits, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused(
        1, "denoise", digits, "-o", tmp_path / "file" / "out", "--model", trained["dense"] / "best.safetensors"
    )
    assert line.startswith(f"cannot make the folder {tmp_path / 'file' / 'out'}")


def test_convert_reports_its_progress(digits, tmp_path):
    calls = []
    tasks = folders.plan_tasks([digits], tmp_path / "out")
    failures = folders.convert(tasks, lambda image, name: image.pixels, progress=lambda *now: calls.append(now))
    assert not failures
    assert [done for done, _, _ in calls] == [0, 1, 2, 3, 4, 5] and {total for _, total, _ in calls} == {5}


def test_a_single_failure_is_raised(digits, tmp_path):
    (digits / "0.png").write_bytes(b"")
    tasks = folders.plan_tasks([digits / "0.png"], tmp_path / "out.png")
    with pytest.raises(PellucidError, match="is empty"):
        folders.convert(tasks, lambda image, name: image.pixels)


def test_twelve_bits_in_a_sixteen_bit_file_are_said(run, tmp_path):
    write_image(tmp_path / "twelve.png", np.full((9, 9), 2000, np.uint16))
    outcome = run("add-noise", tmp_path / "twelve.png", "-o", tmp_path / "noisy.png", "--noise", "gaussian(sigma=5)")
    assert outcome.status == 0
    assert "twelve.png: 12 bits in 16: white is taken to be 4095" in outcome.stderr
