"""Color: the weights of luma, CMYK to RGB, and images whose channels are all the same."""

import io
from typing import Any

import numpy as np

LUMA = (0.299, 0.587, 0.114)  # the weights of red, green and blue in ITU-R BT.601 and in JPEG


def cmyk_to_rgb(picture: Any, icc: bytes | None) -> Any:
    """Return a CMYK image of Pillow in sRGB, converted by its profile if that is usable.

    Args:
        picture: a `PIL.Image.Image` of mode CMYK.
        icc: its color profile, or None.
    """
    from PIL import ImageCms

    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return picture.convert("RGB")


def is_gray(samples: np.ndarray) -> bool:
    """Return whether the first three channels of (..., C) are equal everywhere."""
    return all(bool((samples[..., channel] == samples[..., 0]).all()) for channel in (1, 2))
