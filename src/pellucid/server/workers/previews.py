"""Pictures for the page: an image before and after, and what was taken out, as browsers show them."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.inference.frames import Frames
from pellucid.report.before_after import picture, reduced
from pellucid.utils.atomic_write import atomic_write

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 4096
# The difference is shown around mid-gray, its values times a power of two: as many as keep all but a thousandth of them
# within the range, and no more than makes one step of 8 bits plain.
GAINS = tuple(1 << power for power in range(7))
WITHIN = 0.999


def all_three(folder: Path, noisy: Frames, denoised: Frames, icc: bytes | None) -> dict[str, Any]:
    """Write before.png, after.png and difference.png of an image; of a stack, of its first frame.

    Args:
        folder: where to.
        noisy: the image.
        denoised: the same, denoised.
        icc: its colour profile, from which colours become sRGB, or None.

    Returns:
        `size_note`: how the pictures were reduced, or None; and `difference_gain`: by how much what was taken out is
        enlarged.
    """
    factor = -(-max(noisy.shape[2:]) // LONGEST_SIDE)
    planes = [reduced(frames, factor) for frames in (noisy, denoised)]
    for name, shown in zip(("before", "after"), planes, strict=True):
        _write(folder / f"{name}.png", _in_srgb(picture(shown), icc))
    taken_out = planes[0] - planes[1]
    most = float(np.quantile(np.abs(taken_out), WITHIN))
    gain = max((gain for gain in GAINS if gain * most <= 0.5), default=1)
    _write(folder / "difference.png", picture(0.5 + gain * taken_out))
    note = f"shown reduced, one pixel for {factor}x{factor}; the result is at full size" if factor > 1 else None
    return {"size_note": note, "difference_gain": gain}


def _write(path: Path, shown: "Image") -> None:
    with atomic_write(path) as temporary:
        shown.save(temporary, "PNG", compress_level=1)


def _in_srgb(shown: "Image", icc: bytes | None) -> "Image":
    """Return a picture in the colours that browsers show without a profile; one that does not fit is left out."""
    if not icc:
        return shown
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(shown, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return shown
    return converted or shown
