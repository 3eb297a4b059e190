"""Learn to denoise one image from that image itself: its noise is measured, and a shipped network trained on for it."""

import functools
import time
import warnings
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pellucid import weights
from pellucid.engines.base import Precision
from pellucid.errors import UsageError
from pellucid.inference import noise_estimation
from pellucid.inference.contrast import is_stretched
from pellucid.inference.frames import Frames
from pellucid.inference.variance_stabilization import Stabiliser, stabiliser
from pellucid.input_spec import InputSpec
from pellucid.utils.optional_imports import need
from pellucid.utils.progress import Progress, shared
from pellucid.utils.system import cores
from pellucid.weights import SELF

if TYPE_CHECKING:
    from pellucid.inference.fine_tuning import Pupil

FIRST = "photo"  # the shipped network that is trained on
MOST_PIXELS, SIDE = 2**21, 256
MOST_LEVEL = 0.2  # the shipped network knows little stronger noise
USUAL, LONGEST = 0.75, 24 * 60  # minutes
LEAST_SECONDS = 0.1
MOST_CORRELATION = 0.2  # of white noise, as far as a network leaves it white
LEAST_SIDE = 32  # smaller images teach nothing
SHARE = 0.95  # of the time, that the training takes


class Lesson:
    """A shipped network yet to be trained on an image; until then it stands in the place of an engine.

    Attributes:
        minutes: how long it may take; the denoising itself adds a few seconds a megapixel.
        steps: how many steps it takes, if not 0: the result then depends on nothing but the image and the seed.
        seed: of the patches and of their noise.
        threads: how many to run on; 0 for all cores.
    """

    name: ClassVar[str] = "torch"
    conditional: ClassVar[bool] = False

    def __init__(self, minutes: float = USUAL, steps: int = 0, seed: int = 0, threads: int = 0) -> None:
        """Take the length of the training.

        Raises:
            UsageError: for a length that cannot be.
            PellucidError: if torch is not installed.
        """
        if not 0 < minutes <= LONGEST:
            raise UsageError(f"minutes is {minutes:g}: give a time above 0 and up to a day, such as 0.75")
        if steps < 0:
            raise UsageError(f"steps is {steps}: give how many to train for, or 0 to go by the time")
        need("torch", "train", f"the model {SELF}")
        self.minutes, self.steps, self.seed, self.threads = minutes, steps, seed, threads
        self.input_spec = InputSpec((1, 3))

    @classmethod
    def on(cls, engine: str, threads: int, minutes: float = USUAL) -> "Lesson":
        """Return a lesson; raises UsageError for an engine that cannot train."""
        if engine not in ("auto", cls.name):
            raise UsageError(
                f"the model {SELF} does not run on {engine}: leave the engine out, it trains on {cls.name}"
            )
        return cls(minutes, threads=threads)

    @functools.cached_property
    def precision(self) -> Precision:
        """What the network computes in."""
        from pellucid.inference.fine_tuning import precision

        return precision()

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Raise: nothing has been learned yet."""
        raise NotImplementedError(f'the model "{SELF}" learns from an image: see `learned`')

    def learned(self, frames: Frames, progress: Progress | None = None) -> "tuple[SelfTaught, Progress | None]":
        """Return a denoiser of one image or stack, trained on it, and what to tell of its own progress.

        Args:
            frames: the image.
            progress: told how far the training and the denoising after it are.

        Raises:
            Cancelled: if `progress` returned False.
        """
        from pellucid.inference.fine_tuning import Pupil

        ends = time.monotonic() + self.minutes * 60
        tell, then = shared(progress, SHARE)
        tell(0.0)
        tiles = sampled(frames)
        found = weights.find(FIRST)
        weights.verify(found)
        assert found.safetensors
        pupil = Pupil(found.safetensors, self.threads or cores())
        level = noise_estimation.estimate(frames, self.threads)
        guesses = [pupil(_as_planes(tile), level) for tile in tiles]
        rests = [_as_planes(tile) - guess for tile, guess in zip(tiles, guesses, strict=True)]
        if correlation(rests) > MOST_CORRELATION:
            curves = [Stabiliser.straight(level) for _ in range(frames.shape[1])]
            kinds = rests
        else:
            curves, kinds = _stabilisers(tiles, guesses), None
        stable = [_stable(tile, curves) for tile in tiles]
        level = noise_estimation.estimate(Frames(np.concatenate(stable), 1, 1.0, has_alpha=False), self.threads)
        if min(frames.shape[2:]) >= LEAST_SIDE:
            guesses = [pupil(planes, level) for planes in stable]
            seconds = max(LEAST_SECONDS, ends - time.monotonic())
            pupil.train(guesses, level, kinds, seconds, self.steps, self.seed, tell)
        denoised = [pupil(planes, level) for planes in stable]
        curves = [_calibrated(curve, index, tiles, denoised) for index, curve in enumerate(curves)]
        stretched = _is_stretched(curves, tiles)
        if stretched:
            words = "was stretched to the peaks of its noise: so is what is denoised, unless told not to (--no-stretch)"
            warnings.warn(f"{frames.name} {words}", UserWarning, stacklevel=4)
        return SelfTaught(pupil, level, curves, stretched), then


class SelfTaught:
    """A network trained on one image, called as an engine is."""

    name: ClassVar[str] = "torch"
    conditional: ClassVar[bool] = False

    def __init__(self, pupil: "Pupil", level: float, curves: list[Stabiliser], stretched: bool = False) -> None:
        """Take the network, the level of the noise on the stable scale, and the stabiliser of each channel.

        `stretched` is whether the image was stretched to the peaks of its noise (`pellucid.inference.contrast`).
        """
        self._pupil, self._level, self._curves = pupil, level, curves
        self.input_spec = InputSpec((len(curves),), pupil.multiple_of, stretched=stretched)
        self.precision = pupil.precision

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch; see `pellucid.engines.Engine`. The level is known from the image."""
        planes = self._pupil(_stable(noisy, self._curves), self._level)
        denoised = planes.reshape(noisy.shape)
        channels = [curve.inverse(denoised[:, index]) for index, curve in enumerate(self._curves)]
        return np.stack(channels, axis=1)


def sampled(frames: Frames) -> list[np.ndarray]:
    """Return all pages of an image (1, C, H, W), or tiles that are spread over them where there is too much of it."""
    pages, channels, height, width = frames.shape
    if pages * channels * height * width <= MOST_PIXELS:
        return [frames.read(page, slice(0, height), slice(0, width)) for page in range(pages)]
    tall, wide = min(SIDE, height), min(SIDE, width)
    rows, columns = height // tall, width // wide
    cells = pages * rows * columns
    count = max(1, MOST_PIXELS // (channels * tall * wide))
    tiles = []
    for cell in np.unique(np.linspace(0, cells - 1, min(count, cells)).round().astype(int)):
        page, place = divmod(int(cell), rows * columns)
        row, column = divmod(place, columns)
        top, left = row * height // rows, column * width // columns
        tiles.append(frames.read(page, slice(top, top + tall), slice(left, left + wide)))
    return tiles


def correlation(rests: list[np.ndarray]) -> float:
    """Return how much neighbours have in common of what is left of images (N, C, H, W), from 0 to 1.

    It is the greater of the correlations along rows and along columns.
    """
    power = sum(float(np.square(rest).sum()) for rest in rests)
    across = sum(float((rest[..., 1:] * rest[..., :-1]).sum()) for rest in rests)
    down = sum(float((rest[..., 1:, :] * rest[..., :-1, :]).sum()) for rest in rests)
    return max(across, down, 0.0) / power if power else 0.0


def _stabilisers(tiles: list[np.ndarray], guesses: list[np.ndarray]) -> list[Stabiliser]:
    """Return the stabiliser of each channel, all with noise of one deviation."""
    guesses = [guess.reshape(tile.shape) for guess, tile in zip(guesses, tiles, strict=True)]
    curves = []
    for channel in range(tiles[0].shape[1]):
        noisy, guess = (np.concatenate([tile[0, channel].ravel() for tile in part]) for part in (tiles, guesses))
        curves.append(stabiliser(noisy, guess))
    common = min(MOST_LEVEL, *(curve.level for curve in curves))
    return [curve.scaled(common) for curve in curves]


def _calibrated(curve: Stabiliser, channel: int, tiles: list[np.ndarray], denoised: list[np.ndarray]) -> Stabiliser:
    """Return the stabiliser of a channel with an inverse that keeps the mean brightness, unless it is straight."""
    if curve.is_straight:
        return curve
    made = [part.reshape(tile.shape)[0, channel].ravel() for part, tile in zip(denoised, tiles, strict=True)]
    return curve.calibrated(np.concatenate(made), np.concatenate([tile[0, channel].ravel() for tile in tiles]))


def _is_stretched(curves: list[Stabiliser], tiles: list[np.ndarray]) -> bool:
    """Return whether a gray image was stretched to the peaks of its noise.

    Noise that is as strong everywhere reaches white where the scene is nearly white, without any stretching.
    """
    if len(curves) > 1 or curves[0].is_straight or max(tile.max() for tile in tiles) > 1:
        return False
    return is_stretched(np.concatenate([tile.ravel() for tile in tiles]), 1.0)


def _stable(tile: np.ndarray, curves: list[Stabiliser]) -> np.ndarray:
    return _as_planes(np.stack([curve(tile[:, index]) for index, curve in enumerate(curves)], axis=1))


def _as_planes(tile: np.ndarray) -> np.ndarray:
    """Return what the network is shown of (N, C, H, W): colour as it is, else every channel for itself, (N * C, 1…)."""
    count, channels, height, width = tile.shape
    return tile if channels == 3 else tile.reshape(count * channels, 1, height, width)
