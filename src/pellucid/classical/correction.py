"""The affine correction: one gain and one offset, which undo what one-sided or clipped noise does to brightness."""

import numpy as np


def affine_correction(denoised: np.ndarray, clean: np.ndarray) -> tuple[float, float]:
    """Return the (gain, offset) that minimise the squared error of gain * denoised + offset over all values.

    Denoised images without any variation get the gain 0 and the mean of the clean ones.
    """
    mean_x, mean_y = denoised.mean(dtype=np.float64), clean.mean(dtype=np.float64)
    x = denoised.astype(np.float64) - mean_x
    variance = np.square(x).mean()
    gain = (x * (clean - mean_y)).mean() / variance if variance > 0 else 0.0
    return float(gain), float(mean_y - gain * mean_x)
