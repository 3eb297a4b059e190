"""Colours that become RGB when read: CMYK and palettes."""

import io
from typing import Any

import numpy as np


def cmyk_to_rgb(picture: Any, icc: bytes | None) -> Any:
    """Return a Pillow CMYK picture in sRGB, by its profile if it has a usable one."""
    from PIL import ImageCms

    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return picture.convert("RGB")


def all_gray(samples: np.ndarray) -> bool:
    """Whether the first three channels are equal everywhere."""
    return all(bool((samples[..., channel] == samples[..., 0]).all()) for channel in (1, 2))
