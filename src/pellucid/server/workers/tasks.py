"""What a worker process is asked to do, what it answers, and the ways in which it fails."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import Cancelled, PellucidError

__all__ = ["MEDIA_TYPES", "Busy", "Cancelled", "Failed", "Order", "Outcome", "Refused"]

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "TIFF": "image/tiff",
    "WebP": "image/webp",
    "BMP": "image/bmp",
    "PNM": "image/x-portable-anymap",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}

Kind = Literal["denoise", "classify"]


@dataclass(frozen=True)
class Order:
    """One image's work, file to file.

    Attributes:
        kind: `denoise` writes `target` (and the previews, if there is a folder for them); `classify` reads what is in
            the image, with a model also what is in it denoised.
        source: the image.
        target: where the denoised image goes; it appears whole or not at all, and no suffix is needed.
        model: one of `Settings.models`; empty where none is needed.
        sigma: the noise level in [0, 1] units; None has it estimated.
        strength: from 0 to 1.
        reference: a clean image to compare with, or None.
        previews: a folder for before.png, after.png and difference.png (8-bit sRGB, reduced to 4096 pixels a side), or
            None.
        classifier: the name of one of `Settings.classifiers`, or None.
        name: what errors call the image: a name from the client, which is never used as a path.
    """

    kind: Kind
    source: Path
    target: Path | None = None
    model: str = ""
    sigma: float | None = None
    strength: float = 1.0
    reference: Path | None = None
    previews: Path | None = None
    classifier: str | None = None
    name: str = "the image"


@dataclass(frozen=True)
class Outcome:
    """What was found and done.

    Attributes:
        facts: always `width`, `height`, `frames`, `channels` (without alpha), `has_alpha`, `dtype`, `bit_depth`,
            `format` (as read), `written` (the format of the result), `media_type` and `suffix` (of the result),
            `remarks` (texts) and `seconds`. After denoising `sigma` (of 255, None if the model is not told one) and
            `engine`; with a reference `psnr`, `psnr_before` (None for identical images), `ssim`, `ssim_before`; with
            previews `size_note` (None, or that they are reduced) and `difference_gain`; with a classifier `labels`
            {"before", "after"} and `scores` {"before", "after"}, each label: probability.
    """

    facts: dict[str, Any] = field(default_factory=dict)


class Refused(PellucidError):
    """The image cannot be taken as it is; the message says why, and `status` is the HTTP status for it."""

    def __init__(self, message: str, status: int = 422) -> None:
        """Take the message, and 413 (too large), 415 (no format that is supported) or 422 (anything else)."""
        super().__init__(message)
        self.status = status


class Failed(PellucidError):
    """The work failed through no fault of the image that is known: the worker died, or took too long."""

    def __init__(self, message: str, status: int = 500) -> None:
        """Take the message, and 500 (the worker died) or 504 (it took too long)."""
        super().__init__(message)
        self.status = status


class Busy(PellucidError):
    """The waiting line is full; `retry_after` is in how many whole seconds there may be room."""

    def __init__(self, retry_after: int) -> None:
        """Take the seconds."""
        super().__init__(f"too much is waiting already: try again in {retry_after} s")
        self.retry_after = retry_after
