"""The protocol of all figures: the sets, the noise, and how an output is scored.

Gaussian noise is added to uint8 / 255 without clipping, from a generator seeded by the image's index in its set; the
output is clipped and rounded to uint8; PSNR is taken over the full image and all channels, and a set's figure is the
mean of the PSNR of its images.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.image import to_nchw
from pellucid.metrics.psnr import PSNR
from pellucid.utils.paths import data_roots
from photo_parts.tables import PartSkipped

PROTOCOL = (
    "Gaussian noise added to uint8 / 255 without clipping, seeded per image; output clipped and rounded to uint8; "
    "mean of per-image PSNR in dB over the full image"
)
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif")


def folder(*parts: str) -> Path:
    """Return a folder of the data, such as `test-photos/CBSD68`; raises PartSkipped if it does not exist."""
    for root in data_roots():
        if (found := root.joinpath(*parts)).is_dir():
            return found
    raise PartSkipped(f"{'/'.join(parts)} is in none of {', '.join(map(str, data_roots()))}: set PELLUCID_DATA")


def files(of: Path, limit: int | None = None) -> list[Path]:
    """Return the images of a folder by name, at most `limit`."""
    return sorted(path for path in of.iterdir() if path.suffix.lower() in SUFFIXES)[:limit]


def read(path: Path, channels: int) -> np.ndarray:
    """Return an image as uint8, (H, W) for one channel and (H, W, 3) for three."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def noisy(clean: np.ndarray, sigma_255: float, index: int) -> np.ndarray:
    """Return a uint8 image with Gaussian noise as float32 in [0, 1] units.

    Args:
        clean: of any shape.
        sigma_255: the noise's standard deviation, of 255.
        index: the image's index in its set, which seeds the noise: another sigma only scales it.
    """
    noise = np.random.default_rng(index).standard_normal(clean.shape, np.float32)
    return clean.astype(np.float32) / 255 + noise * np.float32(sigma_255 / 255)


def quantize(denoised: np.ndarray) -> np.ndarray:
    """Return an output in [0, 1] units as the uint8 that is scored; NaN becomes black."""
    return np.rint(np.clip(np.nan_to_num(denoised), 0, 1) * 255).astype(np.uint8)


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Return the PSNR in dB of one uint8 image, infinite if it equals its reference."""
    return float(PSNR()(to_nchw(image, 255.0), to_nchw(reference, 255.0))[0])
