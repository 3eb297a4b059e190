"""Plot the images of the README: `photos`, of the shipped denoiser, and `digits`, of the full run in runs/reproduce.

Arguments name the images to plot; without arguments, both are.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import pellucid
from pellucid.cli.demo import SAMPLES
from pellucid.image import read_image
from pellucid.recipes.recipe import load_recipe
from pellucid.report.plots import GAP, png, sheet, strip
from pellucid.reproduce.collect import collect_entry
from pellucid.reproduce.experiment import Experiment

ROOT = Path(__file__).parent.parent
ROWS = ("original", "noisy", "denoised", "linear", "tv")
PLACES = {"mountains.jpg": (215, 330), "galaxies.jpg": (215, 320), "astronaut": (60, 150)}  # top, left
HEIGHT, WIDTH, TIMES = 130, 150, 2
SIGMA, SEED = 25 / 255, 0


def digits() -> Image.Image:
    """Return test digits in rows, from the original to the results of the baselines."""
    entry = collect_entry(Experiment(load_recipe("digits"), None, (), ROOT / "runs" / "reproduce"))
    pictures = {row: entry.pictures[row] for row in ROWS}
    return sheet(pictures, entry.captions, {row: entry.is_misclassified(row) for row in ROWS})


def photos() -> Image.Image:
    """Return parts of images, noisy above and denoised below."""
    noisy = {name: _noisy(name) for name in PLACES}
    denoised = {name: pellucid.denoise(image, channel_axis=-1) for name, image in noisy.items()}
    rows = [strip(np.stack([_part(name, image) for name, image in row.items()]), TIMES) for row in (noisy, denoised)]
    result = Image.new("RGBA", (rows[0].width, 2 * rows[0].height + GAP))
    for index, row in enumerate(rows):
        result.paste(row, (0, index * (row.height + GAP)))
    return result


def _noisy(name: str) -> np.ndarray:
    """Return a sample as it is, or scikit-image's astronaut under white Gaussian noise: (H, W, 3) with white at 1."""
    if name in ("mountains.jpg", "galaxies.jpg"):
        return read_image(SAMPLES / name).pixels.astype(np.float32) / 255
    from skimage.data import astronaut

    noise = np.random.default_rng(SEED).normal(0, SIGMA, (512, 512, 3))
    return (astronaut() / 255 + noise).astype(np.float32)


def _part(name: str, image: np.ndarray) -> np.ndarray:
    top, left = PLACES[name]
    return np.moveaxis(image[top : top + HEIGHT, left : left + WIDTH], -1, 0)


def main() -> None:
    """Draw the pictures that are named, or all of them."""
    draw = {"photos": photos, "digits": digits}
    for name in sys.argv[1:] or draw:
        target = ROOT / "docs" / "images" / f"{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(png(draw[name]()))


if __name__ == "__main__":
    main()
