"""How much of the denoising is kept: fine texture in luma may return, color noise stays out."""

import numpy as np

from pellucid.errors import UsageError
from pellucid.image.color import LUMA

CHROMA_POWER = 4


def check_strength(strength: float) -> float:
    """Return `strength`, or raise UsageError unless it is a number from 0 to 1."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength is {strength}: give a number from 0 (the input as it is) to 1 (fully denoised)")
    return float(strength)


def with_texture(noisy: np.ndarray, denoised: np.ndarray, strength: float) -> np.ndarray:
    """Return the denoised image with a part of the residual added back.

    The luma of `noisy - denoised` returns with the weight 1 - s, a linear interpolation between the two images, and its
    color with (1 - s)⁴, because the eye takes fine noise in luma for texture, but never in color.

    Args:
        noisy: (..., C, H, W) floats; three channels are red, green and blue, any other number is treated as luma.
        denoised: of the same shape.
        strength: s, from 0 (noisy) to 1 (denoised).

    Returns:
        Floats of the same shape; `denoised` itself at strength 1, and `noisy` up to rounding at strength 0.
    """
    texture = 1 - check_strength(strength)
    if not texture:
        return denoised
    residual = noisy - denoised
    if noisy.shape[-3] != len(LUMA):
        return denoised + np.float32(texture) * residual
    luma = (residual * np.array(LUMA, np.float32)[:, None, None]).sum(axis=-3, keepdims=True)
    chroma = np.float32(texture**CHROMA_POWER)
    return denoised + chroma * residual + np.float32(texture - chroma) * luma
