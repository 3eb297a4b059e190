"""Denoise, or read a noise level, in one call; `pellucid.denoise` keeps the networks that it loaded for the next."""

import functools
from pathlib import Path

import numpy as np

from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import DEFAULT, Denoiser
from pellucid.inference.frames import Frames
from pellucid.utils.progress import Progress

LOADED = 4


def denoise(
    image: np.ndarray,
    sigma: float | None = None,
    model: str | Path = DEFAULT,
    strength: float = 1.0,
    channel_axis: int | None = None,
    data_range: float | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Take the noise out of an image; the arguments and errors are those of `Denoiser.load` and `Denoiser.__call__`.

    The model stays loaded for the next call.

    Example:
        >>> import pellucid
        >>> denoised = pellucid.denoise(photo, channel_axis=-1)  # doctest: +SKIP
    """
    denoiser = _loaded(model, _stamp(model))
    return denoiser(
        image, sigma, strength=strength, channel_axis=channel_axis, data_range=data_range, progress=progress
    )


def estimate_noise(image: np.ndarray, channel_axis: int | None = None, data_range: float | None = None) -> float:
    """Return the noise level of an image or a stack, in units of the range, in [0, 1] (times 255 on the command line).

    It is the standard deviation of noise that a network read from tiles over the image, correlated noise included,
    which estimates from neighbouring pixels miss.

    Args:
        image: as in `Denoiser.__call__`.
        channel_axis: where the channels are; None for gray.
        data_range: the value of white.

    Raises:
        UsageError: for an array that is no image.
    """
    return noise_estimation.estimate(Frames(np.asarray(image), channel_axis, data_range))


@functools.lru_cache(maxsize=LOADED)
def _loaded(model: str | Path, stamp: int | None) -> Denoiser:
    return Denoiser.load(model)


def _stamp(model: str | Path) -> int | None:
    """Return when a file was last changed, so that a network trained anew is loaded anew."""
    path = Path(model)
    return path.stat().st_mtime_ns if path.suffix and path.is_file() else None
