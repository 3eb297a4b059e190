"""Images that clients send: good ones with the right answer, and others that have to be refused."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.image import write_image

SIZE = 160
SIGMA = 0.08


@dataclass(frozen=True)
class Good:
    """An image, and the bytes that the command line makes of it."""

    name: str
    content: bytes
    answer: bytes


@dataclass(frozen=True)
class Bad:
    """A body that has to be refused, and the allowed statuses."""

    name: str
    content: bytes
    statuses: tuple[int, ...]


def picture(seed: int, size: int = SIZE, channels: int = 3, depth: int = 8) -> np.ndarray:
    """Return a noisy picture (H, W, C), or (H, W) for one channel, of unsigned integers of 8 or 16 bits."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    waves = [np.sin(9 * (rows * rng.uniform(-1, 1) + columns * rng.uniform(-1, 1))) for _ in range(channels)]
    clean = 0.5 + 0.3 * np.stack(waves, -1) + 0.15 * (np.hypot(rows - 0.5, columns - 0.5) < 0.3)[..., None]
    noisy = np.clip(clean + rng.normal(0, SIGMA, clean.shape), 0, 1)
    found = np.round(noisy * (2**depth - 1)).astype(np.uint16 if depth > 8 else np.uint8)
    return found[..., 0] if channels == 1 else found


def good_images(folder: Path, options: list[str]) -> list[Good]:
    """Write images of several formats and depths, have the command line denoise them, and return both.

    Args:
        folder: the folder to make.
        options: of `pellucid denoise`, the same as those of the service.
    """
    sources = folder / "sources"
    sources.mkdir(parents=True)
    for seed, (name, channels, depth) in enumerate(
        (("a.png", 3, 8), ("b.png", 3, 16), ("c.png", 1, 8), ("d.jpg", 3, 8), ("e.tif", 3, 16), ("f.webp", 3, 8))
    ):
        write_image(sources / name, picture(seed, SIZE + 16 * seed, channels, depth))
    command = [sys.executable, "-m", "pellucid", "denoise", str(sources), "-o", str(folder / "denoised"), *options]
    subprocess.run(command, check=True, capture_output=True)
    return [
        Good(path.name, path.read_bytes(), (folder / "denoised" / path.name).read_bytes())
        for path in sorted(sources.iterdir())
    ]


def bad_images(good: list[Good], folder: Path, max_pixels: int) -> list[Bad]:
    """Return bodies that are cut short, too large, of no known format, or no image in spite of the name."""
    huge = folder / "huge.png"
    Image.new("L", (max_pixels // 1000 + 1, 1000)).save(huge)
    photo = next(image for image in good if image.name.endswith(".jpg"))
    png = next(image for image in good if image.name.endswith(".png"))
    return [
        Bad("cut.png", png.content[: len(png.content) // 2], (422,)),
        Bad("cut.tif", next(image.content for image in good if image.name.endswith(".tif"))[:3000], (422,)),
        Bad("header.jpg", photo.content[:400], (422,)),
        Bad("huge.png", huge.read_bytes(), (413,)),
        Bad("letter.txt", b"Dear sir or madam, this is no image.", (415,)),
        Bad("empty.png", b"", (422,)),
    ]
