"""Classical rivals at their best: their options are tuned on training photographs, for each noise level anew."""

import functools

import numpy as np

from pellucid.classical.tuning import Tuned, tune
from photo_parts import protocol
from photo_parts.tables import LeftOut

SIDE = 128
CROPS = 12


@functools.cache
def crops(channels: int) -> np.ndarray:
    """Return uint8 crops (N, 128, 128[, 3]) from the middle of training photographs, evenly spread over their names.

    Raises:
        LeftOut: if there are none.
    """
    for name in ("bsds432", "free"):
        try:
            paths = protocol.files(protocol.folder("train-photos", name))
        except LeftOut:
            continue
        chosen = [paths[place] for place in np.linspace(0, len(paths) - 1, CROPS).astype(int)]
        return np.stack([middle(protocol.read(path, channels), SIDE) for path in chosen])
    raise LeftOut("the tuned rivals: train-photos, which they are tuned on, are not at hand")


def middle(image: np.ndarray, side: int) -> np.ndarray:
    """Return the square in the middle of an image."""
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


@functools.cache
def tuned(rival: str, channels: int, sigma: int) -> Tuned:
    """Return one of `pellucid.classical` tuned for Gaussian noise of a level, white being 255."""
    clean = crops(channels)
    noisy = np.stack([protocol.noisy(crop, sigma, place) for place, crop in enumerate(clean)])
    return tuned_to(rival, noisy, clean.astype(np.float32) / 255)


def tuned_to(rival: str, noisy: np.ndarray, clean: np.ndarray) -> Tuned:
    """Return a rival tuned to pairs, float32 (N, H, W[, 3]), white being 1."""
    planes = [stack[:, None] if stack.ndim == 3 else stack.transpose(0, 3, 1, 2) for stack in (noisy, clean)]
    return tune(rival, planes[0], planes[1], require_interior=False)
