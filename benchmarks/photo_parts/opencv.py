"""OpenCV's non-local means, which runs on uint8, and the strengths at which it does best."""

import functools
import itertools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from photo_parts import protocol, tuning

# The filtering strengths that are tried, as shares of sigma.
SHARES = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5)


def nlm(luminance: float, colour: float, threads: int) -> Callable[[np.ndarray, float], np.ndarray]:
    """Return it at these strengths, white being 255; its input is clipped and rounded, its output has white at 1."""
    library: Any = import_module("cv2")
    library.setNumThreads(threads)

    def run(noisy: np.ndarray, sigma: float) -> np.ndarray:
        pixels = protocol.finished(noisy)
        if pixels.ndim == 2:
            denoised = library.fastNlMeansDenoising(pixels, None, luminance)
        else:
            bgr = np.ascontiguousarray(pixels[..., ::-1])
            denoised = library.fastNlMeansDenoisingColored(bgr, None, luminance, colour)[..., ::-1]
        return denoised.astype(np.float32) / 255

    return run


@functools.cache
def strengths(channels: int, sigma: int) -> tuple[float, float]:
    """Return the strengths for luminance and colour that do best on training photographs; sigma of 255."""
    clean = tuning.crops(channels)[::2]
    noisy = [protocol.noisy(crop, sigma, place) for place, crop in enumerate(clean)]

    def score(tried: tuple[float, float]) -> float:
        run = nlm(*tried, threads=1)
        outputs = [protocol.finished(run(image, 0)) for image in noisy]
        return float(np.mean([protocol.psnr(*pair) for pair in zip(outputs, clean, strict=True)]))

    shares = [share * sigma for share in SHARES]
    return max(itertools.product(shares, shares if channels == 3 else shares[:1]), key=score)
