"""Denoise, or estimate a noise level, in one call; the networks stay loaded for the next one."""

import functools
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid.errors import UsageError
from pellucid.inference import noise_estimation
from pellucid.inference.denoiser import DEFAULT_MODEL, Denoiser
from pellucid.inference.frames import Frames
from pellucid.inference.zero_shot import TestTimeAdaptation
from pellucid.utils.progress import Progress
from pellucid.weights.catalog import SELF_TRAINED

MAX_CACHED = 4


def denoise(
    image: np.ndarray,
    sigma: float | None = None,
    model: str | Path = DEFAULT_MODEL,
    strength: float = 1.0,
    channel_axis: int | None = None,
    data_range: float | None = None,
    progress: Progress | None = None,
) -> np.ndarray:
    """Denoise an image. The model stays loaded for the next call.

    Args:
        image: (H, W), a stack (N, H, W), or with channels on `channel_axis` (H, W, C), (N, H, W, C); any integer or
            floating dtype.
        sigma: the noise level as a fraction of the data range, in [0, 1]; None estimates it.
        model: as in `load_denoiser`.
        strength: 1 removes all noise, 0 none (`pellucid.inference.strength`).
        channel_axis: the axis of the channels; None for gray.
        data_range: the value of white; None as in `Denoiser.__call__`.
        progress: called with the number of tiles done and of all tiles; if it returns False, denoising stops.

    Returns:
        The denoised image, of the same shape and dtype.

    Raises:
        UsageError: for an unknown model, or an argument out of range.
        PellucidError: if a file is absent or damaged.
        TooLarge: if there is not enough memory.
        Cancelled: if `progress` returned False.

    Example:
        >>> import pellucid
        >>> denoised = pellucid.denoise(photo, channel_axis=-1)  # doctest: +SKIP
    """
    denoiser = _load_cached(model, _file_stamp(model))
    return denoiser(
        image, sigma, strength=strength, channel_axis=channel_axis, data_range=data_range, progress=progress
    )


def estimate_noise(image: np.ndarray, channel_axis: int | None = None, data_range: float | None = None) -> float:
    """Return the noise level of an image or a stack as a fraction of the data range, in [0, 1].

    It is the standard deviation of the noise; the command line shows it times 255. A network estimates it from tiles of
    the image, including correlated noise, which estimates from adjacent pixels miss.

    Args:
        image: as in `denoise`.
        channel_axis: the axis of the channels; None for gray.
        data_range: the value of white; None as in `pellucid.image.data_range_of`.

    Raises:
        UsageError: for an array that is no image.
    """
    return noise_estimation.estimate_sigma(Frames(np.asarray(image), channel_axis, data_range))


def load_denoiser(
    model: str | Path = DEFAULT_MODEL,
    engine: str = "auto",
    threads: int = 0,
    tile: int = 0,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    minutes: float | None = None,
) -> Denoiser:
    """Load a denoiser of any kind.

    Args:
        model: a shipped name, such as `photo`, an .onnx or .safetensors file, or `self`: a network that adapts to each
            image, which takes most of a minute.
        engine: as in `Denoiser.load`.
        threads: the number of threads; 0 for all cores that this process may use.
        tile: the largest side, in pixels, of what goes through the network at once; 0 for the usual size.
        precision: as in `Denoiser.load`.
        minutes: how long `self` may train on each image; None for 0.75.

    Raises:
        PellucidError: if a file is absent, damaged or of another version, or the engine is not installed.
        UsageError: for an unknown name, a file that holds no denoiser, `minutes` for another model than `self`, or an
            engine that `self` does not run on.
    """
    if model != SELF_TRAINED:
        if minutes is not None:
            used_for = f"--minutes {minutes:g} is for --model {SELF_TRAINED}"
            raise UsageError(f"{used_for}, {model} is trained already: leave it out")
        return Denoiser.load(model, engine, threads, tile, precision)
    if engine not in ("auto", "torch"):
        raise UsageError(f"the model {SELF_TRAINED} does not run on {engine}: leave the engine out, it trains on torch")
    return TestTimeAdaptation(minutes, threads=threads, tile=tile)


@functools.lru_cache(maxsize=MAX_CACHED)
def _load_cached(model: str | Path, stamp: int | None) -> Denoiser:
    return load_denoiser(model)


def _file_stamp(model: str | Path) -> int | None:
    """Return when a file was last changed, so that a network that was trained again is loaded again."""
    path = Path(model)
    return path.stat().st_mtime_ns if path.suffix and path.is_file() else None
