"""denoise, estimate-noise and compare, on a small network with random weights."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid.image import read_image, write_image
from pellucid.inference import noise_estimation


def photo_of(path, shape=(40, 60, 3), dtype="uint8", seed=0):
    top = np.iinfo(dtype).max if dtype != "float32" else 1
    values = 0.5 + 0.1 * np.random.default_rng(seed).standard_normal(shape)
    write_image(path, (values * top).astype(dtype))
    return path


@pytest.fixture
def model(exported):
    return ("--model", exported, "--sigma", 25, "--threads", 1)


@pytest.fixture
def reader(monkeypatch):
    """Stands in for the network that estimates the noise level: the standard deviation of each tile."""
    monkeypatch.setattr(
        noise_estimation,
        "load_estimator",
        lambda threads: lambda tiles: (tiles.std(axis=(1, 2, 3)), np.full(len(tiles), 0.1)),
    )


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.tif", "deep/c.webp")):
        photo_of(folder / name, seed=number)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_without_an_output_files_and_folders_get_one_beside_them(run, model, photos):
    outcome = run("denoise", photos / "a.png", *model)
    assert outcome.status == 0 and outcome.stdout == f"1 image denoised: {photos / 'a-denoised.png'}\n"
    assert "60 x 40 · noise 25.0" in outcome.stderr and "onnxruntime fp32" in outcome.stderr
    (photos / "a-denoised.png").unlink()
    assert run("denoise", photos, *model).status == 0
    assert names(photos.parent / "photos-denoised") == ["a.png", "b.tif", "deep/c.webp"]
    assert names(photos) == ["a.png", "b.tif", "deep/c.webp"]
    outcome = run("denoise", photos / "b.tif", photos / "a.png", *model)
    assert outcome.stdout == f"2 images denoised: {photos / 'b-denoised.tif'} and 1 more\n"


def test_without_an_output_an_original_is_never_the_output(run, refused, model, photos):
    assert run("denoise", photos / "a.png", *model).status == 0
    line = refused(2, "denoise", photos / "a.png", photos / "a-denoised.png", *model, "--overwrite")
    assert "a-denoised.png is an original, which is never overwritten: name an output with -o" in line
    assert "exists already" in refused(2, "denoise", photos / "a.png", *model)


def test_patterns_that_the_shell_left_alone(run, refused, model, photos, tmp_path):
    outcome = run("denoise", photos / "**" / "*.[pw]*", "-o", tmp_path / "out", *model)
    assert outcome.stdout == f"2 images denoised: {tmp_path / 'out'}\n"
    assert names(tmp_path / "out") == ["a.png", "c.webp"]
    assert "fits no image" in refused(1, "denoise", photos / "*.bmp", "-o", tmp_path / "out", *model)


def test_folders_in_folders_are_searched_by_default(run, model, photos, tmp_path):
    assert run("denoise", photos, "-o", tmp_path / "flat", "--no-recursive", *model).status == 0
    assert names(tmp_path / "flat") == ["a.png", "b.tif"]
    assert run("denoise", photos, "-o", tmp_path / "tree", "--recursive", *model).status == 0
    assert names(tmp_path / "tree") == names(photos)


def test_a_pipe(photos, model, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    command = [sys.executable, "-m", "pellucid", "denoise", "-", *map(str, model), "--json", tmp_path / "out.json"]
    content = (photos / "a.png").read_bytes()
    done = subprocess.run(command, input=content, capture_output=True, env=environment, check=True)
    assert b"1 image denoised: standard output" in done.stderr
    piped = read_image(io.BytesIO(done.stdout))
    assert piped.format == "PNG" and piped.pixels.shape == (40, 60, 3)
    assert json.loads((tmp_path / "out.json").read_text())["images"][0]["out"] == "-"
    both = subprocess.run([*command[:-1], "-"], input=content, capture_output=True, env=environment, check=False)
    assert (
        both.returncode == 2
        and b"an image and JSON cannot both go to standard output" in both.stderr
        and not both.stdout
    )


def test_what_came_in_comes_back(run, model, tmp_path):
    from pellucid.image.formats import ImageFile

    path = tmp_path / "photo.png"
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), dtype=np.uint16)
    like = ImageFile(values[..., :3], values[..., 3], b"profile", None, (300.0, 300.0), "PNG", path, 16)
    write_image(path, values[..., :3], like=like)
    assert run("denoise", path, *model).status == 0
    before, after = read_image(path), read_image(tmp_path / "photo-denoised.png")
    assert after.pixels.dtype == np.uint16 and after.icc == before.icc
    assert before.alpha is not None and after.alpha is not None and np.array_equal(after.alpha, before.alpha)
    assert not np.array_equal(after.pixels, before.pixels)
    assert run("denoise", path, *model, "--strength", 0, "--overwrite").status == 0
    assert np.array_equal(read_image(tmp_path / "photo-denoised.png").pixels, before.pixels)


def test_a_stack_of_pages_has_one_level_and_one_range(run, exported, reader, tmp_path):
    import tifffile

    pages = np.random.default_rng(0).integers(0, 200, (3, 40, 50)).astype(np.uint16)
    pages[2] *= 300
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    outcome = run("denoise", tmp_path / "pages.tif", "--model", exported, "--json", "-")
    assert outcome.status == 0
    results = json.loads(outcome.stdout)["images"]
    assert len(results) == 1 and results[0]["sigma_255"] > 0
    assert tifffile.imread(tmp_path / "pages-denoised.tif").shape == pages.shape
    assert "12 bits" not in outcome.stderr


def test_the_level_is_estimated_for_each_image(run, exported, reader, tmp_path):
    for name, shape in (("even.png", (64, 64)), ("odd.png", (65, 70, 3))):
        photo_of(tmp_path / name, shape)
    outcome = run("denoise", tmp_path, "-o", tmp_path / "out", "--model", exported, "--json", "-")
    results = json.loads(outcome.stdout)
    assert [Path(entry["file"]).name for entry in results["images"]] == ["even.png", "odd.png"]
    assert all(entry["sigma_255"] == pytest.approx(25.5, rel=0.1) for entry in results["images"])
    outcome = run("estimate-noise", tmp_path / "even.png", tmp_path / "odd.png", "--json", tmp_path / "levels.json")
    assert outcome.status == 0 and "25." in outcome.stdout
    estimates = json.loads((tmp_path / "levels.json").read_text())
    assert [entry["sigma_255"] for entry in estimates] == [
        pytest.approx(entry["sigma_255"]) for entry in results["images"]
    ]


def test_a_sigma_that_the_network_does_not_take_gives_a_note(run, trained, digits, tmp_path):
    checkpoint = trained["conv"] / "best.safetensors"
    outcome = run("denoise", digits / "0.png", "-o", tmp_path / "out.png", "--model", checkpoint, "--sigma", 25)
    assert outcome.status == 0 and "--sigma 25 has no effect" in outcome.stderr


def test_a_failed_file_is_skipped_and_reported(run, model, photos, tmp_path):
    (photos / "b.tif").write_bytes(b"II*\0cut short")
    outcome = run("denoise", photos, "-o", tmp_path / "out", *model, "--json", "-")
    assert outcome.status == 1
    assert names(tmp_path / "out") == ["a.png", "deep/c.webp"]
    results = json.loads(outcome.stdout)
    assert len(results["images"]) == 2 and results["failed"][0]["file"] == str(photos / "b.tif")
    assert outcome.stderr.splitlines()[-1] == "pellucid: 1 of 3 images failed"


def test_an_interrupted_run_is_taken_up_again(run, model, photos, tmp_path):
    assert run("denoise", photos / "a.png", "-o", tmp_path / "out", *model).status == 0
    kept = (tmp_path / "out/a.png").read_bytes()
    outcome = run("denoise", photos, "-o", tmp_path / "out", *model, "--skip-existing")
    assert outcome.stdout == f"2 images denoised: {tmp_path / 'out'}\n"
    assert (tmp_path / "out/a.png").read_bytes() == kept
    assert run("denoise", photos, "-o", tmp_path / "out", *model, "--skip-existing").stdout.startswith("nothing to do")


def test_values_that_are_not_finite_are_reported_and_filled(run, model, tmp_path):
    values = np.full((20, 20), 0.5, np.float32)
    values[3, 3] = np.nan
    write_image(tmp_path / "a.tif", values)
    outcome = run("denoise", tmp_path / "a.tif", *model)
    assert outcome.status == 0 and outcome.stderr.count("holds values that are not finite") == 1
    assert np.isfinite(read_image(tmp_path / "a-denoised.tif").pixels).all()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--sigma", "x"), 2, "--sigma x: give auto, or a number from 0 to 255"),
        (("--sigma", "256"), 2, "--sigma 256: give auto"),
        (("--sigma", "nan"), 2, "--sigma nan: give auto"),
        (("--strength", "1.5"), 2, "strength is 1.5: give a number from 0"),
        (("--tile", "8"), 2, "--tile 8 is too small: give at least 256"),
        (("--engine", "onxruntime"), 2, "onnxruntime"),
        (("--model", "foto"), 2, 'unknown model "foto"'),
        (("--model", "gone.onnx"), 1, "gone.onnx: No such file"),
        (("--max-pixels", "100"), 1, "more than the 0.0001 allowed: crop it, or raise --max-pixels"),
        (("--compare", "a.png"), 2, "a.png exists already"),
    ],
)
def test_wrong_options_are_one_line(refused, model, photos, monkeypatch, options, status, words):
    monkeypatch.chdir(photos)
    assert words in refused(status, "denoise", "a.png", *model, *options)
    assert names(photos) == ["a.png", "b.tif", "deep/c.webp"]


def test_a_page_to_compare(run, model, photos, tmp_path):
    page = tmp_path / "page.html"
    outcome = run("denoise", photos, "-o", tmp_path / "out", *model, "--compare", page)
    assert outcome.stdout.endswith(f"before and after: {page}\n")
    html = page.read_text(encoding="utf-8")
    assert html.count('type="range"') == 3 and html.count("data:image/jpeg") == 6
    assert "3 images, denoised" in html and "noise 25.0" in html and str(tmp_path) not in html


def test_progress_moves_within_an_image_with_time_left(run, exported, tmp_path, monkeypatch):
    results = []

    def bars(output, *titles):
        import contextlib

        return contextlib.nullcontext(
            tuple(lambda *now, title=title: results.append((title, now[0] / now[1])) for title in titles)
        )

    monkeypatch.setattr("pellucid.cli.console.CommandOutput.bars", bars)
    photo_of(tmp_path / "a.png", (400, 300))
    options = ("--model", exported, "--sigma", 25, "--tile", 256, "--threads", 1)
    assert run("denoise", tmp_path / "a.png", *options).status == 0
    fractions = [fraction for _, fraction in results]
    assert fractions == sorted(fractions) and len(set(fractions)) == 5 and fractions[-1] == 1
    photo_of(tmp_path / "b.png", (40, 30))
    results.clear()
    assert run("denoise", tmp_path / "a.png", tmp_path / "b.png", *options, "--overwrite").status == 0
    whole = [fraction for title, fraction in results if title]
    assert whole == sorted(whole) and whole[-1] == 1 and len(set(whole)) == 6
    assert [fraction for title, fraction in results if not title].count(1) >= 2


def test_a_network_learns_from_the_image_itself(run, refused, tmp_path):
    photo_of(tmp_path / "a.png", (40, 60))
    options = ("--model", "self", "--minutes", 0.002, "--threads", 1)
    outcome = run("denoise", tmp_path / "a.png", *options, "--sigma", 25)
    assert outcome.status == 0 and "torch " in outcome.stderr and "--sigma 25 has no effect" in outcome.stderr
    before, after = (read_image(tmp_path / name).pixels for name in ("a.png", "a-denoised.png"))
    assert after.dtype == before.dtype and after.std() < 0.5 * before.std()
    line = refused(2, "denoise", tmp_path / "a.png", *options, "--engine", "openvino", "--overwrite")
    assert "does not run on openvino" in line
    line = refused(2, "denoise", tmp_path / "a.png", "--minutes", 2, "--overwrite")
    assert line == "--minutes 2 is for --model self, photo is trained already: leave it out"
    assert "minutes is 0: give" in refused(2, "denoise", tmp_path / "a.png", *options[:3], 0, "--overwrite")


def test_contrast_is_stretched_as_the_noisy_images_was_where_asked_to(run, model, tmp_path):
    values = 0.4 + 0.15 * np.random.default_rng(0).standard_normal((60, 60))
    write_image(tmp_path / "a.png", (values.clip(0, 1) * 255).astype(np.uint8))
    means = {}
    for option in ("--stretch", "--no-stretch"):
        assert run("denoise", tmp_path / "a.png", *model, option, "--overwrite").status == 0
        means[option] = read_image(tmp_path / "a-denoised.png").pixels.mean()
    assert means["--stretch"] > means["--no-stretch"] + 1


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(photos, exported, tmp_path):
    for number in range(200):
        photo_of(photos / f"{number:03}.png", (300, 300, 3), seed=number)
    environment = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    command = [sys.executable, "-m", "pellucid", "denoise", photos, "-o", tmp_path / "out", "--model", exported]
    process = subprocess.Popen([*command, "--sigma", "25"], stderr=subprocess.PIPE, text=True, env=environment)
    while len(names(tmp_path / "out") if (tmp_path / "out").exists() else []) < 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "add --skip-existing" in messages.splitlines()[-1]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written and all(read_image(path).pixels.size for path in written)


def test_compare_says_how_far_two_images_are_apart(run, tmp_path):
    flat = np.full((32, 32), 100, np.uint8)
    write_image(tmp_path / "a.png", flat + np.uint8(5))
    write_image(tmp_path / "b.tif", flat.astype(np.float32) / 255)
    outcome = run("compare", tmp_path / "a.png", tmp_path / "b.tif", "--json", tmp_path / "figures.json")
    assert outcome.status == 0
    lines = [line.split() for line in outcome.stdout.splitlines()]
    assert lines[0] == ["PSNR", "34.15", "dB"] and lines[1][0] == "SSIM"
    assert lines[2] == ["largest", "difference", "5.0", "of", "255"] and lines[3] == [
        "brighter",
        "by",
        "+5.00",
        "of",
        "255",
    ]
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["psnr"] == pytest.approx(20 * np.log10(255 / 5), abs=1e-3) and not figures["identical"]


def test_compare_without_scipy_names_the_missing_extra(run, tmp_path, monkeypatch):
    photo_of(tmp_path / "a.png")
    monkeypatch.setattr("pellucid.evaluate.compare.find_spec", lambda name: None)
    outcome = run("compare", tmp_path / "a.png", tmp_path / "a.png", "--json", tmp_path / "figures.json")
    assert "infinite" in outcome.stdout and 'pip install "pellucid[compare]"' in outcome.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures == {"psnr": None, "ssim": None, "max_difference_255": 0, "mean_shift_255": 0, "identical": True}


def test_compare_takes_one_range_for_two_images_of_a_kind(run, tmp_path):
    values = np.full((20, 20), 4000, np.uint16)
    write_image(tmp_path / "a.png", values)
    write_image(tmp_path / "b.png", values + np.uint16(200))
    outcome = run("compare", tmp_path / "a.png", tmp_path / "b.png", "--json", "-")
    assert json.loads(outcome.stdout)["max_difference_255"] == pytest.approx(200 / 65535 * 255, rel=1e-3)


def test_compare_refuses_other_sizes(refused, tmp_path):
    photo_of(tmp_path / "a.png")
    photo_of(tmp_path / "b.png", (40, 61, 3))
    line = refused(2, "compare", tmp_path / "a.png", tmp_path / "b.png")
    assert line.startswith(f"{tmp_path / 'a.png'} is 60x40, 3 channels, ") and "compare images of one size" in line


def test_estimate_noise_skips_what_fails(run, refused, reader, photos):
    (photos / "b.tif").write_bytes(b"")
    outcome = run("estimate-noise", photos, "--json", "-")
    assert outcome.status == 1 and len(json.loads(outcome.stdout)) == 2
    assert outcome.stderr.splitlines()[-1] == "pellucid: 1 of 3 images failed"
    assert "is empty" in refused(1, "estimate-noise", photos / "b.tif")
