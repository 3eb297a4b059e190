"""OpenCV's non-local means, which runs on uint8, and the strengths at which it does best."""

import functools
import itertools
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from photo_parts import protocol, tuning

# The filtering strengths that are tried, relative to sigma.
RELATIVE_STRENGTHS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5)


def nlm(luminance: float, color: float, threads: int) -> Callable[[np.ndarray, float], np.ndarray]:
    """Return the filter with these strengths (of 255); input and output are in [0, 1] units, the input is quantized."""
    library: Any = import_module("cv2")
    library.setNumThreads(threads)

    def run(noisy: np.ndarray, sigma: float) -> np.ndarray:
        pixels = protocol.quantize(noisy)
        if pixels.ndim == 2:
            denoised = library.fastNlMeansDenoising(pixels, None, luminance)
        else:
            bgr = np.ascontiguousarray(pixels[..., ::-1])
            denoised = library.fastNlMeansDenoisingColored(bgr, None, luminance, color)[..., ::-1]
        return denoised.astype(np.float32) / 255

    return run


@functools.cache
def strengths(channels: int, sigma_255: int) -> tuple[float, float]:
    """Return the strengths for luminance and color that do best on training photographs."""
    clean = tuning.crops(channels)[::2]
    noisy = [protocol.noisy(crop, sigma_255, index) for index, crop in enumerate(clean)]

    def score(pair: tuple[float, float]) -> float:
        run = nlm(*pair, threads=1)
        outputs = [protocol.quantize(run(image, 0)) for image in noisy]
        return float(np.mean([protocol.psnr(*images) for images in zip(outputs, clean, strict=True)]))

    tried = [factor * sigma_255 for factor in RELATIVE_STRENGTHS]
    return max(itertools.product(tried, tried if channels == 3 else tried[:1]), key=score)
