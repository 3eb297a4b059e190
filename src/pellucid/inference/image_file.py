"""Denoise the pixels of an image file."""

import time
from dataclasses import dataclass

import numpy as np

from pellucid.image import ImageFile
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.utils.progress import Progress


@dataclass(frozen=True, eq=False)
class DenoisedImage:
    """The denoised pixels of an image file.

    Attributes:
        pixels: of the shape and dtype of the file's pixels.
        before: the pages and channels of the file.
        after: the same, denoised, with the data range of `before`.
        sigma: the noise level in [0, 1] units, given or estimated; None if none was needed.
        seconds: how long denoising took.
    """

    pixels: np.ndarray
    before: Frames
    after: Frames
    sigma: float | None
    seconds: float


def denoise_image(
    image: ImageFile,
    denoiser: Denoiser,
    sigma: float | None = None,
    strength: float = 1.0,
    stretch: bool | None = None,
    progress: Progress | None = None,
) -> DenoisedImage:
    """Denoise an image file, or a stack with one noise level.

    Args:
        image: from `pellucid.image.read_image`; its path is its name in errors.
        denoiser: the denoiser.
        sigma: the noise level in [0, 1] units; None estimates it if the network is conditional.
        strength: as in `Denoiser.__call__`.
        stretch: as in `Denoiser.__call__`.
        progress: as in `Denoiser.__call__`.

    Raises:
        UsageError: if the image does not fit the network, or an argument is out of range.
        TooLarge: if there is not enough memory.
        Cancelled: if `progress` returned False.
    """
    start_time = time.monotonic()
    before = as_frames(image, denoiser.input_spec.data_range_for(image.pixels))
    denoised, sigma = denoiser(
        with_channel_axis(image),
        sigma,
        strength=strength,
        channel_axis=-1,
        data_range=before.data_range,
        has_alpha=False,
        stretch=stretch,
        progress=progress,
        name=before.name,
        return_sigma=True,
    )
    after = Frames(denoised, -1, before.data_range, has_alpha=False, name=before.name)
    return DenoisedImage(denoised.reshape(image.pixels.shape), before, after, sigma, time.monotonic() - start_time)


def as_frames(image: ImageFile, data_range: float | None = None) -> Frames:
    """Return the pages and channels of a file, to be read in parts; `data_range` None uses that of the file."""
    data_range = image.data_range if data_range is None else data_range
    return Frames(with_channel_axis(image), -1, data_range, has_alpha=False, name=str(image.path))


def with_channel_axis(image: ImageFile) -> np.ndarray:
    """Return the pixels with the channels on their last axis, even if there is only one."""
    return image.pixels[..., None] if image.channel_axis is None else image.pixels
