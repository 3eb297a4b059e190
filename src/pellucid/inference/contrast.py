"""Images whose contrast was stretched to the peaks of their noise: detect them, and stretch the denoised image too."""

import numpy as np

# The fraction of values at white in a stretched image: fewer are chance, more are a lamp or a blank page.
MIN_FRACTION, MAX_FRACTION = 1e-4, 1e-2
NEIGHBOR_BINS = 5
MIN_SPIKE_RATIO = 12
MAX_GAIN = 4.0


def clipping_points(pixels: np.ndarray, data_range: float) -> tuple[float, float]:
    """Return the fractions of the values of an image, of any shape, at or below 0 and at or above `data_range`."""
    return float((pixels <= 0).mean()), float((pixels >= data_range).mean())


def is_stretched(pixels: np.ndarray, data_range: float) -> bool:
    """Return whether an image looks as if it had been stretched until a small fraction of its values reached white.

    Automatic contrast has this effect: many times more values lie at white than just below it, and yet few.

    Args:
        pixels: an array of any shape.
        data_range: the value of white; the five steps of 1/255 of it below white are compared with white.
    """
    _, high = clipping_points(pixels, data_range)
    if not MIN_FRACTION <= high <= MAX_FRACTION:
        return False
    step = data_range / 255
    neighbors = (pixels >= data_range - NEIGHBOR_BINS * step) & (pixels < data_range)
    return high > MIN_SPIKE_RATIO * float(neighbors.mean()) / NEIGHBOR_BINS


def match_stretch(denoised: np.ndarray, noisy: np.ndarray, data_range: float) -> np.ndarray:
    """Return a denoised image, stretched until the same fractions lie at black and at white as in the noisy image.

    If the noisy image was stretched to fill the range, the peaks of its noise decided by how much. Without these peaks,
    the denoised image no longer fills the range and is darker than a clean capture stretched by the same rule. If no
    value of the noisy image is black, black does not move. All channels and pages get the same gain, limited to 1 to 4.

    Args:
        denoised: floats of any shape, with black at 0.
        noisy: the image before denoising, in the same units.
        data_range: the value of white.

    Returns:
        Floats of the same shape, not clipped.
    """
    low, high = clipping_points(noisy, data_range)
    dark, light = np.quantile(denoised, [low, 1 - high])
    dark = dark if low else 0.0
    if light <= dark:
        return denoised
    gain = float(np.clip(data_range / (light - dark), 1.0, MAX_GAIN))
    return (light - denoised) * np.float32(-gain) + np.float32(data_range)
