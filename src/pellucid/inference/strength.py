"""How much of the denoising is kept: fine luminance texture may return, colour noise stays out."""

import numpy as np

from pellucid.errors import UsageError

# Luma of BT.601, the standard that JPEG takes too.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
CHROMA_POWER = 4


def check_strength(strength: float) -> float:
    """Return `strength`, or raise UsageError unless it is a number from 0 to 1."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength is {strength}: give a number from 0 (the input as it is) to 1 (fully denoised)")
    return float(strength)


def with_texture(noisy: np.ndarray, denoised: np.ndarray, strength: float) -> np.ndarray:
    """Return the denoised image with a part of what was taken from the noisy one put back.

    The luma of `noisy - denoised` returns with the weight 1 - s, so that the image is the straight line between the
    two there, and its colour with (1 - s)⁴, because the eye takes fine noise in luma for texture, in colour never.

    Args:
        noisy: (..., C, H, W) floats; three channels are red, green and blue, any other number has luma alone.
        denoised: of the same shape.
        strength: s, from 0 (noisy) to 1 (denoised).

    Returns:
        Floats of the same shape; `denoised` itself at strength 1. At strength 0 it is `noisy` but for rounding.
    """
    back = 1 - check_strength(strength)
    if not back:
        return denoised
    taken = noisy - denoised
    if noisy.shape[-3] != len(LUMA):
        return denoised + np.float32(back) * taken
    luma = (taken * LUMA[:, None, None]).sum(axis=-3, keepdims=True)
    colour = np.float32(back**CHROMA_POWER)
    return denoised + colour * taken + np.float32(back - colour) * luma
