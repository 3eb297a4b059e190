"""Images that were stretched to their noise's own peaks: found by what lies at white, and stretched again denoised."""

import numpy as np

# Of values at white, for an image to count as stretched: fewer are none, more are a light or a blank page.
LEAST_SHARE, MOST_SHARE = 1e-4, 1e-2
BESIDE = 5
LEAST_SPIKE = 12
MOST_GAIN = 4.0


def ends(pixels: np.ndarray, white: float) -> tuple[float, float]:
    """Return the shares of the values of an image, of any shape, at 0 or below and at `white` or above."""
    return float((pixels <= 0).mean()), float((pixels >= white).mean())


def is_stretched(pixels: np.ndarray, white: float) -> bool:
    """Return whether an image looks as if it had been stretched until a small share of its values reached white.

    Automatic contrast does so: of the values at white there are many times as many as just below it, and yet few.

    Args:
        pixels: of any shape; what `white` is in 256 steps decides which values lie just below it.
        white: the value of white.
    """
    _, high = ends(pixels, white)
    if not LEAST_SHARE <= high <= MOST_SHARE:
        return False
    step = white / 255
    beside = float(((pixels >= white - BESIDE * step) & (pixels < white)).mean()) / BESIDE
    return high > LEAST_SPIKE * beside


def stretched_alike(denoised: np.ndarray, noisy: np.ndarray, white: float) -> np.ndarray:
    """Return a denoised image stretched until as much of it lies at black and at white as of the noisy one.

    Where the noisy image was stretched to fill the range, the peaks of its noise decided by how much. Without them the
    image fills the range no more, and lies darker than its clean take stretched by the same rule. Where none of the
    noisy image is black, black stays where it is. All channels and pages are stretched alike; the gain is limited to 1
    to 4.

    Args:
        denoised: floats of any shape, black at 0.
        noisy: the image before, in the same units.
        white: the value of white.

    Returns:
        Floats of the same shape, not clipped.
    """
    low, high = ends(noisy, white)
    dark, light = np.quantile(denoised, [low, 1 - high])
    dark = dark if low else 0.0
    if light <= dark:
        return denoised
    gain = float(np.clip(white / (light - dark), 1.0, MOST_GAIN))
    return (light - denoised) * np.float32(-gain) + np.float32(white)
