"""PNG files for the page: an image before and after denoising, and the difference."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.inference.frames import Frames
from pellucid.report.before_after import picture, reduced
from pellucid.utils.atomic_write import atomic_write

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 4096
# The difference is shown around mid-gray, multiplied by the largest of these for which all but a thousandth of its
# values stay in range.
GAINS = tuple(1 << power for power in range(7))
WITHIN = 0.999


def write_previews(folder: Path, noisy: Frames, denoised: Frames, icc: bytes | None) -> dict[str, Any]:
    """Write before.png, after.png and difference.png of an image; of a stack, of its first frame.

    Args:
        folder: where they are written.
        noisy: the image.
        denoised: the same, denoised.
        icc: its color profile, from which colors are converted to sRGB, or None.

    Returns:
        `size_note`, a text if the images are reduced, else None; and `difference_gain`, the factor on the difference.
    """
    factor = -(-max(noisy.shape[2:]) // MAX_SIDE)
    planes = [reduced(frames, factor) for frames in (noisy, denoised)]
    for name, version in zip(("before", "after"), planes, strict=True):
        _write(folder / f"{name}.png", _in_srgb(picture(version), icc))
    residual = planes[0] - planes[1]
    maximum = float(np.quantile(np.abs(residual), WITHIN))
    gain = max((gain for gain in GAINS if gain * maximum <= 0.5), default=1)
    _write(folder / "difference.png", picture(0.5 + gain * residual))
    note = f"shown reduced, one pixel for {factor}x{factor}; the result is at full size" if factor > 1 else None
    return {"size_note": note, "difference_gain": gain}


def _write(path: Path, image: "Image") -> None:
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG", compress_level=1)


def _in_srgb(image: "Image", icc: bytes | None) -> "Image":
    """Return an image in sRGB, the color space that browsers assume; a profile that does not fit is ignored."""
    if not icc:
        return image
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image
