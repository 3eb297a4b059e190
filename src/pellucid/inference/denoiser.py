"""Take noise out of arrays: what the user gave comes back as it was, denoised. Only checkpoints load torch."""

import copy
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from pellucid import engines
from pellucid.errors import TooLarge, UsageError
from pellucid.inference import noise_estimation
from pellucid.inference.contrast import stretched_alike
from pellucid.inference.frames import RGBA, Frames
from pellucid.inference.strength import check_strength, with_texture
from pellucid.inference.tiling import Tile, by_columns, padded, plan, stitch
from pellucid.inference.zero_shot import Lesson, SelfTaught
from pellucid.input_spec import InputSpec
from pellucid.utils.progress import Progress, told
from pellucid.weights import SELF, Weights, check_file, find

if TYPE_CHECKING:
    from pellucid.checkpoint import Checkpoint
    from pellucid.inference.checkpoint_model import Trained

DEFAULT = "photo"
BATCH = 256
TILE = 1024
# Neighbouring tiles share so many pixels for each of the network's coarsest steps: with a third of that as context, the
# shipped networks' results differ by less than a tenth of 1/255 from the whole image's. A network that pads for itself
# does not say how coarse it gets: its tiles start where five halvings fall on the same grid, and share more.
STEPS_SHARED, LEAST_OVERLAP = 12, 96
UNKNOWN_OVERLAP, UNKNOWN_GRID = 160, 32
LEAST_TILE = 256
# Once there is so many times more work than was known of when the engine was chosen, it is chosen anew.
MORE_WORK = 4
LITTLE_WORK = 1_000_000


class Denoiser:
    """A denoiser, loaded and ready; the classifier behind it too if its checkpoint holds one.

    Attributes:
        input_spec: the images that the network takes. `__call__` makes most others fit: it pads small ones, shows gray
            to a colour network three times, and takes channels that the network does not know one by one.
        conditional: whether the network is told the noise level.
        threads: how many it runs on; 0 for all cores.

    Example:
        >>> denoiser = Denoiser.load("photo")  # doctest: +SKIP
        >>> denoised = denoiser(noisy, channel_axis=-1)  # doctest: +SKIP
    """

    def __init__(
        self,
        source: "Checkpoint | Weights | Lesson",
        engine: str = "auto",
        threads: int = 0,
        tile: int = 0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> None:
        """Prepare a checkpoint in memory, the weights that `load` found, or a lesson that each image gives on itself.

        The other arguments are those of `load`.

        Raises:
            UsageError: if it holds no denoiser, or an argument is out of range.
            PellucidError: as `load`.
        """
        if tile and tile < LEAST_TILE:
            raise UsageError(f"tile={tile} is too small: give at least {LEAST_TILE}, or 0 for the usual size")
        self._tile = tile
        self.threads = threads
        self._start = functools.partial(engines.start, engine=engine, threads=threads, precision=precision)
        self._worked, self._announced = 0, LITTLE_WORK
        self._weights = source if isinstance(source, Weights) else None
        self._may_change = self._weights is not None and engine == "auto"
        self._trained: Trained | None = None
        self._engine: engines.Engine | Trained | Lesson | SelfTaught
        if isinstance(source, Lesson):
            self._engine = source
        elif isinstance(source, Weights) and (engine != "auto" or source.onnx):
            self._engine = self._start(source)
        else:
            self._engine = self._trained = _trained(source)
        self.input_spec: InputSpec = self._engine.input_spec
        self.conditional: bool = self._engine.conditional

    @classmethod
    def load(
        cls,
        model: str | Path = DEFAULT,
        engine: str = "auto",
        threads: int = 0,
        tile: int = 0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> "Denoiser":
        """Load a network.

        Args:
            model: a shipped name, such as `photo`, an .onnx or .safetensors file, or `self`, which learns from each
                image for most of a minute (`pellucid.inference.zero_shot.Lesson` takes more).
            engine: `onnxruntime`, `torch`, `openvino`, or `auto`: what starts fastest, and once there is much to do,
                what a probe found to be fastest here.
            threads: how many to run on; 0 for all cores that this process may use.
            tile: the greatest side in pixels of what goes through the network at once; 0 for the usual size. Smaller
                ones take less memory and more time.
            precision: `fp32`, `bf16`, or `auto`.

        Raises:
            PellucidError: if a file is absent, broken or of another version, or the engine is not installed.
            UsageError: for a name that is not known, or a file that holds no denoiser.
        """
        source = Lesson.on(engine, threads) if model == SELF else find(model)
        return cls(source, engine, threads, tile, precision)

    @property
    def checkpoint(self) -> "Checkpoint":
        """The recipe, the networks and the figures that came with them.

        Raises:
            UsageError: if the denoiser is an exported file, which has none of them.
        """
        return self._checkpoint_at_work().checkpoint

    @property
    def engine(self) -> str:
        """What it runs on at the moment, such as `onnxruntime fp32`."""
        return f"{self._engine.name} {self._engine.precision}"

    def __call__(
        self,
        image: np.ndarray,
        sigma: float | None = None,
        *,
        strength: float = 1.0,
        channel_axis: int | None = None,
        data_range: float | None = None,
        has_alpha: bool | None = None,
        stretch: bool | None = None,
        progress: Progress | None = None,
        name: str = "the image",
    ) -> np.ndarray:
        """Denoise one image, or a stack with one noise level and one range.

        No copy is made but the result, unless that is stretched; values above the range and below 0 are kept, and
        integers are rounded.

        Args:
            image: (H, W), a stack (N, H, W), or with channels on `channel_axis` (H, W, C), (N, H, W, C); any integer or
                floating dtype. NaN and infinities are filled in from their surroundings, with a warning.
            sigma: the noise level in units of the range, in [0, 1]; only networks with a level input use it. None has
                it estimated, once for the whole stack.
            strength: 1 takes out what the network takes for noise, 0 returns the input to the bit; between, fine
                texture returns and colour noise stays out (`pellucid.inference.strength`).
            channel_axis: where the channels are; None for gray.
            data_range: the value of white; by default what it was in training, for arrays of the type trained on; else
                the dtype's maximum for integers and 1 for floats (`pellucid.image.data_range_of`).
            has_alpha: whether the last channel is alpha, which comes back to the bit; None takes four channels so,
                unless the network was trained on four.
            stretch: whether to stretch the denoised image until as much of it is black and white as of the noisy one,
                for images whose contrast was stretched to the peaks of their noise (`pellucid.inference.contrast`);
                None does so where the images trained on were such.
            progress: told the tiles done and the tiles in all; if it returns False or raises, that is the end.
            name: what to call the image in an error, such as its file.

        Returns:
            The denoised image, of the same shape and dtype.

        Raises:
            UsageError: if an argument is out of range, or the size or the channels do not fit the model.
            TooLarge: if the memory does not suffice.
            Cancelled: if `progress` returned False.
        """
        check_strength(strength)
        if sigma is not None:
            _check_sigma(sigma)
        try:
            image = np.asarray(image)
            white = self.input_spec.white_of(image) if data_range is None else data_range
            if has_alpha is None and RGBA in self.input_spec.channels:
                has_alpha = False
            frames = Frames(image, channel_axis, white, has_alpha=has_alpha, name=name)
            self._check_fit(frames)
            if strength == 0:
                return frames.result
            taught, progress = self._taught(frames, progress)
            if taught.input_spec.stretched if stretch is None else stretch:
                taught._denoise_stretched(frames, sigma, strength, progress)
            else:
                taught._denoise(frames, sigma, strength, progress)
        except MemoryError as error:
            raise TooLarge(
                f"{name} does not fit into memory: close other programs, crop the image, or give smaller tiles "
                f"(now {self._tile or TILE})"
            ) from error
        return frames.result

    def batch(self, images: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Denoise images (N, C, H, W), float32 with white at 1, of one size; the output is not clipped."""
        if isinstance(self._engine, Lesson):
            return self(np.asarray(images, np.float32), channel_axis=1, data_range=1.0, has_alpha=False)
        pixels = images.shape[-2] * images.shape[-1]
        is_large = not self.input_spec.fixed_size and max(images.shape[-2:]) > self._side()
        if is_large or (self.conditional and sigma is None):
            frames = Frames(np.asarray(images, np.float32), 1, 1.0, has_alpha=False)
            sigma = self._level(frames, sigma)
            if is_large:
                self._denoise(frames, sigma, 1.0, None)
                return frames.result
        step = max(1, min(BATCH, self._side() ** 2 // pixels))
        return np.concatenate([self._run(images[i : i + step], sigma) for i in range(0, len(images), step)])

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the codes of images (N, C, H, W): (N, latent_dim), or (N, channels, h, w) of a convolutional network.

        Raises:
            UsageError: if the network has skips, whose code is no compressed image, or is an exported file.
        """
        return self._checkpoint_at_work().encode(images)

    def decode(self, codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the images (N, C, H, W) of codes, float32 after the output activation; `size` is (H, W)."""
        return self._checkpoint_at_work().decode(codes, size)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Return the class probabilities (N, K) of images (N, C, H, W), as given: denoise them first if wanted.

        Raises:
            UsageError: if the checkpoint holds no classifier, or the size does not fit it.
        """
        return self._checkpoint_at_work().classify(images)

    def _checkpoint_at_work(self) -> "Trained":
        if self._trained is None and self._weights:
            self._trained = _trained(self._weights)
        assert self._trained
        return self._trained

    def _taught(self, frames: Frames, progress: Progress | None) -> "tuple[Denoiser, Progress | None]":
        """Return a denoiser that has learned from the image, if that is wanted, and what it tells of its progress."""
        if not isinstance(self._engine, Lesson):
            return self, progress
        taught = copy.copy(self)
        taught._engine, progress = self._engine.learned(frames, progress)
        taught.input_spec = taught._engine.input_spec
        return taught, progress

    def _denoise(self, frames: Frames, sigma: float | None, strength: float, progress: Progress | None) -> None:
        """Denoise frames into their result, tile by tile."""
        pages, _, height, width = frames.shape
        self._prepare(pages * height * width)
        # Bands of tiles run along the shorter side, so that less has to be held until a band is done.
        columns = width > height
        tiles = self._plan(height, width)
        tiles = by_columns(tiles) if columns else tiles
        steps = told(progress, pages * len(tiles))
        next(steps)
        level = self._level(frames, sigma)

        def outputs(page: int) -> Iterator[np.ndarray]:
            for tile in tiles:
                noisy = frames.read(page, tile.rows, tile.columns)
                yield with_texture(noisy, self._run(noisy, level), strength)
                next(steps)

        for page in range(pages):
            for start, _, band in stitch(tiles, outputs(page), columns):
                frames.write(page, *((0, start) if columns else (start, 0)), band)

    def _denoise_stretched(
        self, frames: Frames, sigma: float | None, strength: float, progress: Progress | None
    ) -> None:
        """Denoise frames and stretch them as they were, before anything is rounded."""
        wide = frames.wide()
        self._denoise(wide, sigma, strength, progress)
        stretched = stretched_alike(wide.result, wide.given, 1.0)
        for page, planes in enumerate(stretched):
            frames.write(page, 0, 0, planes.transpose(2, 0, 1)[None])

    def _plan(self, height: int, width: int) -> Sequence[Tile]:
        if self.input_spec.fixed_size:
            return plan(height, width, max(height, width), 0)
        grid, overlap = UNKNOWN_GRID, UNKNOWN_OVERLAP
        if self.input_spec.multiple_of > 1:
            grid = self.input_spec.multiple_of
            overlap = max(STEPS_SHARED * grid, LEAST_OVERLAP)
        return plan(height, width, self._side() // grid * grid, overlap, grid)

    def _side(self) -> int:
        return self._tile or TILE

    def _prepare(self, pixels: int) -> None:
        """Choose the engine anew if there turns out to be much more to do; the past tells how much will follow."""
        self._worked += pixels
        work = max(pixels, self._worked)
        if self._may_change and self._weights and work > MORE_WORK * self._announced:
            self._announced = work
            self._engine = self._start(self._weights, pixels=work)

    def _level(self, frames: Frames, sigma: float | None) -> float | None:
        if sigma is not None or not self.conditional:
            return sigma
        return noise_estimation.estimate(frames, self.threads)

    def _check_fit(self, frames: Frames) -> None:
        """Raise UsageError if no way leads from the image to what the network takes."""
        _, channels, height, width = frames.shape
        takes = self.input_spec
        if takes.fixed_size is None:
            if channels not in takes.channels and {1, 3} & set(takes.channels):
                channels = takes.channels[0]
            height, width = max(height, takes.minimum_size), max(width, takes.minimum_size)
        takes.check((channels, height, width), frames.name)

    def _run(self, planes: np.ndarray, level: float | None) -> np.ndarray:
        """Run the network on (N, C, H, W) of any size, its channels together if it knows so many, else one by one."""
        count, channels, height, width = planes.shape
        takes = self.input_spec.channels
        if channels in takes:
            return self._padded_run(planes, level)
        apart = planes.reshape(count * channels, 1, height, width)
        shown = 1 if 1 in takes else takes[0]
        step = max(1, min(BATCH, self._side() ** 2 // (height * width)))
        parts = (apart[start : start + step] for start in range(0, len(apart), step))
        runs = [self._padded_run(part.repeat(shown, axis=1), level).mean(axis=1) for part in parts]
        return np.concatenate(runs).reshape(planes.shape)

    def _padded_run(self, planes: np.ndarray, level: float | None) -> np.ndarray:
        spec = self.input_spec
        sigma = None if level is None else np.full(len(planes), level, np.float32)
        larger = planes if spec.fixed_size else padded(planes, spec.multiple_of, spec.minimum_size)
        denoised = self._engine(larger, sigma)[..., : planes.shape[-2], : planes.shape[-1]]
        # Values so great that they overflow in the network stay as they were.
        return denoised if np.isfinite(denoised).all() else np.where(np.isfinite(denoised), denoised, planes)


def _trained(source: "Checkpoint | Weights") -> "Trained":
    from pellucid.checkpoint import load as load_checkpoint
    from pellucid.inference.checkpoint_model import Trained

    if not isinstance(source, Weights):
        return Trained(source)
    if source.safetensors is None:
        raise UsageError(f"{source.onnx} is an exported network: give a .safetensors checkpoint")
    check_file(source.safetensors, source.sha256(source.safetensors))
    return Trained(load_checkpoint(source.safetensors))


def _check_sigma(sigma: float) -> None:
    if not 0 <= sigma <= 1:
        raise UsageError(f"sigma is {sigma}: give it in units of the range, from 0 to 1 (25 of 255 is 0.098)")
