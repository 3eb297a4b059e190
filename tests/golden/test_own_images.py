"""Training on folders of one's own, on pages with and without noisy scans, and evaluating: to the bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

import pellucid
from pellucid.data.fonts import families
from pellucid.image import read_image, write_image
from pellucid.train.loop import train

FONTS = "/usr/share/fonts/truetype/dejavu"
SIDE = 72
FOLDERS = {
    "pairs": ("--noisy", "noisy", "--clean", "clean"),
    "clean": ("--clean", "clean", "--noise", "gaussian(sigma=25)", "--noise", "poisson(peak=40)"),
    "noisy": ("--noisy", "noisy"),
    "captures": ("--noisy", "noisy", "--noisy", "second"),
}
SMALL = ("model.widths=[4, 8]", "data.patch=24", "data.num_patches=12", "train.batch_size=4")
FIXED = ("train.threads=1", 'train.precision="fp32"')
DIGITS = """
format = 2
summary = "Digits, measured beside classical filters"

[data]
name = "digits"
train_images = 200
test_images = 60

[noise]
name = "uniform"
low = 0.0
high = 0.6

[model]
name = "dense"
image = [1, 8, 8]
widths = [32, 16]

[loss]
name = "mse"

[train]
epochs = 2
batch_size = 50
lr = 0.01
threads = 1
precision = "fp32"

[evaluate]
seeds = [0]
baselines = ["identity", "linear", "median"]
tuning_images = 60
"""
PAGES = """
format = 2
summary = "Pages: scans as they are, rendered ones with noise of a model"

[data]
name = "documents"
patch = 32
num_patches = 10
num_rendered = 8
crop = 24
gray = 0.5
augment = true

[noise]
name = "gaussian"
sigma = [0.05, 0.2]

[model]
name = "unet"
channels = 3
widths = [4, 8]
condition = true

[loss]
name = "l1"

[train]
epochs = 1
batch_size = 6
lr = 0.002
optimizer = "muon"
ema = 0.9
threads = 1
precision = "fp32"
"""


def write_takes(folder: Path, channels: int, count: int) -> None:
    """Write `count` clean images and two noisy takes of each."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    for number in range(count):
        scene = 0.5 + 0.25 * np.sin((5 + number) * rows + 3 * columns)
        scene = scene + 0.1 * (np.hypot(rows - 0.5, columns - 0.1 * number) < 0.3)
        clean = 255 * scene[..., None] * np.linspace(1, 0.8, channels)
        random = np.random.default_rng(number)
        for name, strength in (("clean", 0), ("noisy", 20), ("second", 20)):
            pixels = (clean + strength * random.standard_normal(clean.shape)).clip(0, 255).round().astype(np.uint8)
            (folder / name).mkdir(exist_ok=True)
            write_image(folder / name / f"{number}.png", pixels if channels > 1 else pixels[..., 0])


def shortened(value, root: Path):
    """A JSON value without times, and with paths from the root on."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if "second" not in key and key not in ("recipe", "ms")}
        return {key.replace(f"{root}/", ""): shortened(item, root) for key, item in kept.items()}
    if isinstance(value, list):
        return [shortened(item, root) for item in value]
    return value.replace(f"{root}/", "") if isinstance(value, str) else value


def weights_of(path: Path, describe) -> dict:
    return {name.partition(".")[2]: describe(value.numpy()) for name, value in sorted(load_file(path).items())}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind != "pairs")) for kind in FOLDERS])
def test_training_on_folders(kind, command, golden, describe, tmp_path):
    write_takes(tmp_path, 1, 7)
    changes = [part for change in (*SMALL, *FIXED) for part in ("--set", change)]
    printed = command("train", *FOLDERS[kind], "--out", "run", "--epochs", "2", "--json", "-", *changes)
    found = {
        "json": shortened(json.loads(printed), tmp_path),
        "weights": weights_of(tmp_path / "run" / "best.safetensors", describe),
        "progress": describe(read_image(tmp_path / "run" / "progress.png").pixels),
    }
    golden.check(f"folders-{kind}", found)


def test_training_on_pages_with_and_without_scans(golden, describe, one_thread, tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    # Rendered pages depend on the installed fonts: these are the ones that the values were recorded with.
    if not Path(FONTS).is_dir():
        pytest.skip(f"the values were recorded with the fonts of {FONTS}: install Debian's fonts-dejavu-core")
    recorded_fonts = families((FONTS,))
    monkeypatch.setattr("pellucid.data.page_layout.families", lambda: recorded_fonts)
    (tmp_path / "documents").mkdir()
    write_takes(tmp_path / "documents", 3, 7)
    (tmp_path / "pages.toml").write_text(PAGES)
    losses = []
    result = train(
        pellucid.load_recipe(tmp_path / "pages.toml"),
        tmp_path / "run",
        progress=lambda where: losses.append(where.train_loss),
    )
    golden.check("pages", {"losses": losses, "weights": weights_of(result.best, describe)})


@pytest.mark.slow
def test_evaluation_and_outliers(command, golden, tmp_path):
    (tmp_path / "digits.toml").write_text(DIGITS)
    command("train", "digits.toml", "--out", "run")
    evaluated = command("evaluate", "run/best.safetensors", "--json", "-")
    (tmp_path / "images").mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 90 if number else 256, (8, 8), np.uint8)
        write_image(tmp_path / "images" / f"{number}.png", pixels)
    outliers = command("outliers", "images", "--model", "run/best.safetensors", "--top", "0", "--json", "-")
    found = {"evaluate": json.loads(evaluated), "outliers": json.loads(outliers)}
    golden.check("evaluation", shortened(found, tmp_path))
