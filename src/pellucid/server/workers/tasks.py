"""Work requests to a worker process, their results, and the ways in which they fail."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import Cancelled, PellucidError

__all__ = ["MEDIA_TYPES", "Cancelled", "QueueFull", "WorkFailed", "WorkRefused", "WorkRequest", "WorkResult"]

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
class WorkRequest:
    """The work on one image, from file to file.

    Attributes:
        kind: `denoise` writes `target`, and the previews if `previews` is set; `classify` predicts the class of the
            image and, with a model, of the denoised image.
        source: the image.
        target: where the denoised image is written, all at once; its name needs no suffix.
        model: one of the names of `Settings.denoisers`; empty where no denoiser is needed.
        sigma: the noise level in [0, 1] units; None estimates it.
        strength: from 0 to 1.
        reference: a clean image to compare with, or None.
        previews: a folder for before.png, after.png and difference.png (8-bit sRGB, reduced to 4096 pixels a side), or
            None.
        classifier: one of the names of `Settings.classifiers_by_name`, or None.
        name: the client's name for the image, used in error messages and never as a path.
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
class WorkResult:
    """The result of a work request.

    Attributes:
        metadata: always `width`, `height`, `frames`, `channels` (without alpha), `has_alpha`, `dtype`, `bit_depth`,
            `format` (of the source), `written` (format of the result), `media_type` and `suffix` (of the result),
            `warnings` (texts) and `seconds`. After denoising `sigma_255` (None if the model does not take one) and
            `engine`. With a reference `psnr`, `psnr_before` (None for identical images), `ssim`, `ssim_before`. With
            previews `size_note` (a text if they are reduced, else None) and `difference_gain`. With a classifier
            `labels` {"before", "after"} and `scores` {"before", "after"}, each a dictionary from label to probability.
    """

    metadata: dict[str, Any] = field(default_factory=dict)


class WorkRefused(PellucidError):
    """The image cannot be processed as it is; `status` is the HTTP status for it."""

    def __init__(self, message: str, status: int = 422) -> None:
        """Take the reason, and 413 (too large), 415 (unsupported format) or 422 (anything else)."""
        super().__init__(message)
        self.status = status


class WorkFailed(PellucidError):
    """The work failed, and the image is not known to be the cause: the worker died, or took too long."""

    def __init__(self, message: str, status: int = 500) -> None:
        """Take the reason, and 500 (the worker died) or 504 (it took too long)."""
        super().__init__(message)
        self.status = status


class QueueFull(PellucidError):
    """Too many images wait for a worker; `retry_after` is the number of whole seconds until there may be space."""

    def __init__(self, retry_after: int) -> None:
        """Take the seconds."""
        super().__init__(f"too many images are waiting: try again in {retry_after} s")
        self.retry_after = retry_after
