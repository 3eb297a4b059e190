"""demo: on the pictures that come with the package, and on digits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.cli.demo import SAMPLES
from pellucid.image import read_image
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.weights import catalog

ROOT = Path(__file__).parents[2]
CREDITS = {
    "mountains.jpg": "Picos de Europa by Aitzol Berasategi, CC BY 4.0",
    "galaxies.jpg": "Hubble eXtreme Deep Field by NASA, ESA and the HUDF09 team",
}
PAGE = "before-after.html"
BLOCKED = "import sys\nfor name in {extras!r}.split(): sys.modules[name] = None\nfrom pellucid.cli import main\nmain()"
EXTRAS = "cv2 matplotlib onnx onnxscript openvino pooch pywt scipy skimage sklearn torch"


def bare(folder, *arguments):
    """Run a command where no extra is installed."""
    command = [sys.executable, "-W", "error", "-c", BLOCKED.format(extras=EXTRAS), *arguments]
    kept = {key: value for key, value in os.environ.items() if key not in ("PELLUCID_DATA", "XDG_CACHE_HOME")}
    environment = kept | {"PYTHONPATH": str(ROOT / "src"), "PELLUCID_DATA": str(folder), "XDG_CACHE_HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def small(monkeypatch, exported):
    """Puts a small network, and the standard deviation for sigma, in the place of the shipped networks."""
    monkeypatch.setattr(
        noise_estimation,
        "load_estimator",
        lambda threads: lambda tiles: (tiles.std(axis=(1, 2, 3)), np.full(len(tiles), 0.1)),
    )
    load = Denoiser.load
    monkeypatch.setattr(Denoiser, "load", lambda: load(exported, threads=1))


def test_every_sample_is_small_and_says_where_it_is_from():
    sources = (SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    pictures = [path for path in SAMPLES.iterdir() if path.suffix != ".md"]
    assert {path.name for path in pictures} == set(CREDITS)
    assert sum(path.stat().st_size for path in pictures) < 500_000
    for name in CREDITS:
        assert f"`{name}`" in sources and name in notice


def test_pictures_are_cleaned_named_and_shown(run, small, tmp_path):
    outcome = run("demo", "--out", tmp_path / "first", "--json", tmp_path / "demo.json")
    assert outcome.status == 0, outcome
    figures = json.loads((tmp_path / "demo.json").read_text())
    assert [Path(image["out"]).name for image in figures["images"]] == list(CREDITS)
    for image in figures["images"]:
        before, after = read_image(SAMPLES / Path(image["out"]).name), read_image(Path(image["out"]))
        assert before.pixels.shape == after.pixels.shape == (image["height"], image["width"], 3)
        assert f"{image['sigma_255']:.1f}" in outcome.stdout and image["out"] in outcome.stdout
    page = tmp_path / "first" / PAGE
    assert str(page) in outcome.stdout and figures["page"] == str(page)
    text = page.read_text(encoding="utf-8")
    assert all(name in text and credit in text for name, credit in CREDITS.items())
    assert run("demo", "--out", tmp_path / "first").status == 0


def test_the_samples_themselves_are_never_written_over(refused, small):
    assert "is an original" in refused(2, "demo", "--out", SAMPLES)


@pytest.mark.skipif("photo" not in catalog.names(), reason="the network is not here")
def test_the_base_install_is_enough(tmp_path):
    done = bare(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "runs" / "demo").iterdir()) == sorted([*CREDITS, PAGE])
    sigmas = [float(sigma) for sigma in re.findall(r" (\d+\.\d) +\S+ s", done.stdout)]
    assert len(sigmas) == len(CREDITS) and all(1 < sigma < 30 for sigma in sigmas)


def test_digits_need_the_extra_that_trains(tmp_path):
    done = bare(tmp_path, "demo", "--digits")
    assert done.returncode == 1 and not (tmp_path / "runs").exists()
    assert done.stderr.splitlines()[-1].endswith('which is not installed: pip install "pellucid[train]"')


def test_digits_take_the_recipe_that_their_data_allows(run, tmp_path, monkeypatch):
    options_of_call = {}

    def reproduce(names, out, **options):
        options_of_call.update(options, names=names, out=out)
        return [{"recipe": names[0], "published": {}, "measured": {"psnr": 20.0, "noisy_psnr": 11.5}, "baselines": {}}]

    monkeypatch.setattr("pellucid.reproduce.reproduction.reproduce", reproduce)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    outcome = run("demo", "--digits", "--out", tmp_path / "demo")
    assert outcome.status == 0 and options_of_call["names"] == ["demo"] and not options_of_call["quick"]
    assert str(tmp_path / "demo" / "report.html") in outcome.stdout
    assert "Denoising lifts the PSNR from 11.50 to 20.00 dB." in outcome.stdout
    (tmp_path / "mnist").mkdir()
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (tmp_path / "mnist" / f"{part}-{kind}-ubyte.gz").write_bytes(b"")
    assert run("demo", "--digits", "--out", tmp_path / "demo").status == 0
    assert options_of_call["names"] == ["digits"] and options_of_call["quick"]
