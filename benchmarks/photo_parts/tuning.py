"""Classical baselines with options tuned on training photographs, for each noise level."""

import functools

import numpy as np

from pellucid.classical.tuning import TunedBaseline, tune
from photo_parts import protocol
from photo_parts.tables import PartSkipped

SIDE = 128
CROPS = 12


@functools.cache
def crops(channels: int) -> np.ndarray:
    """Return uint8 crops (N, 128, 128[, 3]) from the center of training photographs, evenly spread over their names.

    Raises:
        PartSkipped: if there are none.
    """
    for name in ("bsds432", "free"):
        try:
            paths = protocol.files(protocol.folder("train-photos", name))
        except PartSkipped:
            continue
        chosen = [paths[index] for index in np.linspace(0, len(paths) - 1, CROPS).astype(int)]
        return np.stack([center(protocol.read(path, channels), SIDE) for path in chosen])
    raise PartSkipped("the tuned baselines: train-photos, which they are tuned on, is missing")


def center(image: np.ndarray, side: int) -> np.ndarray:
    """Return the center square of an image."""
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]


@functools.cache
def tuned(baseline: str, channels: int, sigma_255: int) -> TunedBaseline:
    """Return one of `pellucid.classical` tuned for Gaussian noise of a sigma (of 255)."""
    clean = crops(channels)
    noisy = np.stack([protocol.noisy(crop, sigma_255, index) for index, crop in enumerate(clean)])
    return tuned_to(baseline, noisy, clean.astype(np.float32) / 255)


def tuned_to(baseline: str, noisy: np.ndarray, clean: np.ndarray) -> TunedBaseline:
    """Return a baseline tuned on pairs, float32 (N, H, W[, 3]) in [0, 1] units."""
    planes = [stack[:, None] if stack.ndim == 3 else stack.transpose(0, 3, 1, 2) for stack in (noisy, clean)]
    return tune(baseline, planes[0], planes[1], require_interior=False)
