"""One image file denoised: at its own level, in its own shape, with what is told of it."""

import time
from dataclasses import dataclass

import numpy as np

from pellucid.image import ImageFile
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.utils.progress import Progress


@dataclass(frozen=True, eq=False)
class Cleaned:
    """An image file's pixels, denoised.

    Attributes:
        pixels: of the shape and dtype of the file's.
        before: the file's pages and channels as they were.
        after: the same, denoised; its white is that of `before`.
        level: the noise level in [0, 1] units, given or estimated; None where none was needed.
        seconds: how long it took.
    """

    pixels: np.ndarray
    before: Frames
    after: Frames
    level: float | None
    seconds: float


def clean(
    image: ImageFile,
    denoiser: Denoiser,
    level: float | None = None,
    strength: float = 1.0,
    stretch: bool | None = None,
    progress: Progress | None = None,
) -> Cleaned:
    """Denoise an image file, or a stack at one level.

    Args:
        image: from `pellucid.image.read_image`; errors name it by its path.
        denoiser: what denoises.
        level: the noise level in [0, 1] units; None has it estimated where the denoiser is told it.
        strength: as in `Denoiser.__call__`.
        stretch: as in `Denoiser.__call__`.
        progress: as in `Denoiser.__call__`; also told once before anything is known.

    Raises:
        PellucidError, UsageError, Cancelled: as `Denoiser.__call__`.
    """
    started = time.monotonic()
    before = frames_of(image, denoiser.input_spec.white_of(image.pixels))
    if level is None and denoiser.conditional and strength:
        if progress:
            progress(0, 1)
        level = noise_estimation.estimate(before, denoiser.threads)
    options = {"channel_axis": -1, "data_range": before.white, "has_alpha": False, "stretch": stretch}
    name = str(image.path)
    denoised = denoiser(with_channels(image), level, strength=strength, progress=progress, name=name, **options)
    after = Frames(denoised, -1, before.white, has_alpha=False, name=name)
    return Cleaned(denoised.reshape(image.pixels.shape), before, after, level, time.monotonic() - started)


def frames_of(image: ImageFile, white: float | None = None) -> Frames:
    """Return a file's pages and channels for reading in parts; `white` None takes the image's own."""
    white = image.white if white is None else white
    return Frames(with_channels(image), -1, white, has_alpha=False, name=str(image.path))


def with_channels(image: ImageFile) -> np.ndarray:
    """Return the pixels with the channels as their last axis, also where there is one."""
    return image.pixels[..., None] if image.channel_axis is None else image.pixels
