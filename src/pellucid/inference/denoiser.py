"""Denoise arrays: the result has the shape and dtype of the input. Only checkpoints load torch."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np

from pellucid.engines.autoselect import load_engine
from pellucid.engines.base import Network
from pellucid.errors import TooLarge, UsageError
from pellucid.inference import noise_estimation
from pellucid.inference.contrast import match_stretch
from pellucid.inference.frames import RGBA, Frames
from pellucid.inference.strength import check_strength, with_texture
from pellucid.inference.tiling import Tile, by_columns, pad_planes, plan, stitch
from pellucid.input_spec import InputSpec
from pellucid.utils.progress import Progress, counted_progress
from pellucid.weights.catalog import Weights, check_file, find

if TYPE_CHECKING:
    from pellucid.checkpoint import Checkpoint
    from pellucid.inference.checkpoint_model import CheckpointModel

DEFAULT_MODEL = "photo"
BATCH_SIZE = 256
TILE_SIZE = 1024
# Adjacent tiles share this many pixels for each step of the network's coarsest grid: with a third of that as context,
# the results of the shipped networks differ by less than a tenth of 1/255 from those on the whole image. A network that
# pads for itself does not say how coarse its grid is: its tiles start on a grid of 2^5 pixels, and share more.
OVERLAP_STEPS, MIN_OVERLAP = 12, 96
DEFAULT_OVERLAP, DEFAULT_GRID = 160, 32
MIN_TILE = 256
# Once there is this many times more work than when the engine was chosen, the engine is chosen again.
SWITCH_FACTOR = 4
SWITCH_PIXELS = 1_000_000


class DenoiseOptions(TypedDict, total=False):
    """The keyword arguments of `Denoiser.__call__`."""

    strength: float
    channel_axis: int | None
    data_range: float | None
    has_alpha: bool | None
    stretch: bool | None
    progress: Progress | None
    name: str


class Denoiser:
    """A denoising network, loaded and ready, with the classifier behind it if its checkpoint holds one.

    Attributes:
        input_spec: the images that the network accepts. `__call__` makes most others fit: it pads small ones, repeats
            gray to three channels for a network for color, and denoises unknown numbers of channels one by one.
        conditional: whether the network takes the noise level as an input.
        threads: the number of threads; 0 for all cores.

    Example:
        >>> denoiser = Denoiser.load("photo")  # doctest: +SKIP
        >>> denoised = denoiser(noisy, channel_axis=-1)  # doctest: +SKIP
    """

    def __init__(
        self,
        source: "Checkpoint | Weights | Network",
        engine: str = "auto",
        threads: int = 0,
        tile: int = 0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> None:
        """Prepare a network.

        Args:
            source: a checkpoint in memory, weights from `pellucid.weights.catalog.find`, or a network that is ready to
                run.
            engine: as in `load`; only weights use it.
            threads: as in `load`.
            tile: as in `load`.
            precision: as in `load`; only weights use it.

        Raises:
            UsageError: if `source` holds no denoiser, or an argument is out of range.
            PellucidError: as `load`.
        """
        if tile and tile < MIN_TILE:
            raise UsageError(f"tile={tile} is too small: give at least {MIN_TILE}, or 0 for the usual size")
        self._tile = tile
        self.threads = threads
        self._start_engine = functools.partial(load_engine, engine=engine, threads=threads, precision=precision)
        self._pixels_processed, self._chosen_for = 0, SWITCH_PIXELS
        self._weights = source if isinstance(source, Weights) else None
        self._may_switch_engine = self._weights is not None and engine == "auto"
        self._checkpoint_model: CheckpointModel | None = None
        self._network: Network
        if isinstance(source, Weights) and (engine != "auto" or source.onnx):
            self._network = self._start_engine(source)
        elif callable(source):
            self._network = source
        else:
            self._network = self._checkpoint_model = _load_checkpoint_model(source)
        self.input_spec: InputSpec = self._network.input_spec
        self.conditional: bool = self._network.conditional

    @classmethod
    def load(
        cls,
        model: str | Path = DEFAULT_MODEL,
        engine: str = "auto",
        threads: int = 0,
        tile: int = 0,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> "Denoiser":
        """Load a network. `pellucid.inference.functional.load_denoiser` also loads `self`, which adapts to each image.

        Args:
            model: a shipped name, such as `photo`, or an .onnx or .safetensors file.
            engine: `onnxruntime`, `torch`, `openvino`, or `auto`: the one that starts fastest, and once there is a lot
                to do, the one that was measured to be fastest on this machine.
            threads: the number of threads; 0 for all cores that this process may use.
            tile: the largest side, in pixels, of what goes through the network at once; 0 for the usual size. Smaller
                ones take less memory and more time.
            precision: `fp32`, `bf16`, or `auto`.

        Raises:
            PellucidError: if a file is absent, damaged or of another version, or the engine is not installed.
            UsageError: for an unknown name, or a file that holds no denoiser.
        """
        return cls(find(model), engine, threads, tile, precision)

    @property
    def checkpoint(self) -> "Checkpoint":
        """The recipe, the networks and the metrics of the checkpoint.

        Raises:
            UsageError: if the denoiser is an exported file, which has none of them.
        """
        return self._loaded_checkpoint().checkpoint

    @property
    def engine(self) -> str:
        """The engine in use, such as `onnxruntime fp32`."""
        return f"{self._network.name} {self._network.precision}"

    @overload
    def __call__(
        self,
        image: np.ndarray,
        sigma: float | None = None,
        *,
        return_sigma: Literal[False] = False,
        **options: Unpack[DenoiseOptions],
    ) -> np.ndarray: ...

    @overload
    def __call__(
        self,
        image: np.ndarray,
        sigma: float | None = None,
        *,
        return_sigma: Literal[True],
        **options: Unpack[DenoiseOptions],
    ) -> tuple[np.ndarray, float | None]: ...

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
        return_sigma: bool = False,
    ) -> Any:
        """Denoise one image, or a stack with one noise level and one data range.

        The input is copied once, for the result, unless the contrast is stretched. Values above the data range and
        below 0 are kept; integers are rounded.

        Args:
            image: (H, W), a stack (N, H, W), or with channels on `channel_axis` (H, W, C), (N, H, W, C); any integer or
                floating dtype. NaN and infinities are filled in from their surroundings, with a warning.
            sigma: the noise level as a fraction of the data range, in [0, 1]; only conditional networks use it. None
                estimates it, once for the whole stack.
            strength: 1 removes all that the network takes for noise, 0 returns the input to the bit; in between, fine
                texture returns and color noise stays out (`pellucid.inference.strength`).
            channel_axis: the axis of the channels; None for gray.
            data_range: the value of white; None uses that of the training images if the array has their dtype, else
                the dtype's maximum for integers and 1 for floats (`pellucid.image.data_range_of`).
            has_alpha: whether the last channel is alpha, which is returned to the bit; None assumes so if there are
                four channels, unless the network was trained on four.
            stretch: whether to stretch the denoised image until as much of it is black and white as of the noisy one,
                for images whose contrast was stretched to the peaks of their noise (`pellucid.inference.contrast`);
                None does so if the training images were stretched.
            progress: called with the number of tiles done and of all tiles; if it returns False, or raises, denoising
                stops.
            name: the name of the image in errors, such as its file.
            return_sigma: whether to return the noise level too.

        Returns:
            The denoised image, of the same shape and dtype; with `return_sigma` a tuple of it and the noise level that
            was given or estimated, None if none was needed.

        Raises:
            UsageError: if an argument is out of range, or the size or the channels do not fit the model.
            TooLarge: if there is not enough memory.
            Cancelled: if `progress` returned False.
        """
        check_strength(strength)
        if sigma is not None and not 0 <= sigma <= 1:
            raise UsageError(f"sigma is {sigma}: give a fraction of the data range, from 0 to 1 (25 of 255 is 0.098)")
        try:
            image = np.asarray(image)
            if data_range is None:
                data_range = self.input_spec.data_range_for(image)
            if has_alpha is None and RGBA in self.input_spec.channels:
                has_alpha = False
            frames = Frames(image, channel_axis, data_range, has_alpha=has_alpha, name=name)
            self._check_fit(frames)
            if strength > 0:
                denoiser, progress = self._for_image(frames, progress)
                stretch = denoiser.input_spec.stretched if stretch is None else stretch
                denoise = denoiser._denoise_stretched if stretch else denoiser._denoise
                sigma = denoise(frames, sigma, strength, progress)
            result = frames.result
        except MemoryError as error:
            raise TooLarge(
                f"{name} does not fit into memory: close other programs, crop the image, or give smaller tiles "
                f"(now {self._tile_size()})"
            ) from error
        return (result, sigma) if return_sigma else result

    def batch(self, images: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Denoise images (N, C, H, W) of one size, float32 with white at 1; the output is not clipped."""
        pixels = images.shape[-2] * images.shape[-1]
        is_large = not self.input_spec.fixed_size and max(images.shape[-2:]) > self._tile_size()
        if is_large or (self.conditional and sigma is None):
            frames = Frames(np.asarray(images, np.float32), 1, 1.0, has_alpha=False)
            sigma = self._sigma_for(frames, sigma)
            if is_large:
                self._denoise(frames, sigma, 1.0, None)
                return frames.result
        step = max(1, min(BATCH_SIZE, self._tile_size() ** 2 // pixels))
        return np.concatenate([self._run(images[i : i + step], sigma) for i in range(0, len(images), step)])

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the codes of images (N, C, H, W): (N, latent_dim), or (N, channels, h, w) of a convolutional network.

        Raises:
            UsageError: if the network has skip connections, whose code is no compressed image, or is an exported file.
        """
        return self._loaded_checkpoint().encode(images)

    def decode(self, codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the images (N, C, H, W) of codes, float32 after the output activation; `size` is (H, W)."""
        return self._loaded_checkpoint().decode(codes, size)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Return the class probabilities (N, K) of images (N, C, H, W), which are not denoised first.

        Raises:
            UsageError: if the checkpoint holds no classifier, or the size does not fit it.
        """
        return self._loaded_checkpoint().classify(images)

    def _loaded_checkpoint(self) -> "CheckpointModel":
        if self._checkpoint_model is None:
            if self._weights is None:
                raise UsageError("this denoiser has no checkpoint: load a .safetensors file")
            self._checkpoint_model = _load_checkpoint_model(self._weights)
        return self._checkpoint_model

    def _for_image(self, frames: Frames, progress: Progress | None) -> "tuple[Denoiser, Progress | None]":
        """Return the denoiser for an image, this one unless a subclass adapts it, and the callback for what remains."""
        return self, progress

    def _denoise(self, frames: Frames, sigma: float | None, strength: float, progress: Progress | None) -> float | None:
        """Denoise frames into their result, tile by tile; returns the noise level that was used."""
        pages, _, height, width = frames.shape
        self._choose_engine(pages * height * width)
        # Bands of tiles run along the shorter side, so that an unfinished band takes less memory.
        columns = width > height
        tiles = self._plan(height, width)
        tiles = by_columns(tiles) if columns else tiles
        steps = counted_progress(progress, pages * len(tiles))
        next(steps)
        sigma = self._sigma_for(frames, sigma)

        def outputs(page: int) -> Iterator[np.ndarray]:
            for tile in tiles:
                noisy = frames.read(page, tile.rows, tile.columns)
                yield with_texture(noisy, self._run(noisy, sigma), strength)
                next(steps)

        for page in range(pages):
            for start, _, band in stitch(tiles, outputs(page), columns):
                frames.write(page, *((0, start) if columns else (start, 0)), band)
        return sigma

    def _denoise_stretched(
        self, frames: Frames, sigma: float | None, strength: float, progress: Progress | None
    ) -> float | None:
        """Denoise frames, and stretch their contrast before anything is rounded; returns the noise level."""
        unrounded = frames.to_unit_range()
        sigma = self._denoise(unrounded, sigma, strength, progress)
        stretched = match_stretch(unrounded.result, unrounded.input_array, 1.0)
        for page, planes in enumerate(stretched):
            frames.write(page, 0, 0, planes.transpose(2, 0, 1)[None])
        return sigma

    def _plan(self, height: int, width: int) -> Sequence[Tile]:
        if self.input_spec.fixed_size:
            return plan(height, width, max(height, width), 0)
        grid, overlap = DEFAULT_GRID, DEFAULT_OVERLAP
        if self.input_spec.multiple_of > 1:
            grid = self.input_spec.multiple_of
            overlap = max(OVERLAP_STEPS * grid, MIN_OVERLAP)
        return plan(height, width, self._tile_size() // grid * grid, overlap, grid)

    def _tile_size(self) -> int:
        return self._tile or TILE_SIZE

    def _choose_engine(self, pixels: int) -> None:
        """Choose the engine again once there is much more work; the work so far is a forecast of the work to come."""
        self._pixels_processed += pixels
        work = max(pixels, self._pixels_processed)
        if self._may_switch_engine and self._weights and work > SWITCH_FACTOR * self._chosen_for:
            self._chosen_for = work
            self._network = self._start_engine(self._weights, pixels=work)

    def _sigma_for(self, frames: Frames, sigma: float | None) -> float | None:
        if sigma is not None or not self.conditional:
            return sigma
        return noise_estimation.estimate_sigma(frames, self.threads)

    def _check_fit(self, frames: Frames) -> None:
        """Raise UsageError if the image can in no way be made to fit the network."""
        _, channels, height, width = frames.shape
        spec = self.input_spec
        if spec.fixed_size is None:
            if channels not in spec.channels and {1, 3} & set(spec.channels):
                channels = spec.channels[0]
            height, width = max(height, spec.minimum_size), max(width, spec.minimum_size)
        spec.check((channels, height, width), frames.name)

    def _run(self, planes: np.ndarray, sigma: float | None) -> np.ndarray:
        """Run the network on (N, C, H, W) of any size: all channels together if it accepts C channels, else each."""
        count, channels, height, width = planes.shape
        accepted = self.input_spec.channels
        if channels in accepted:
            return self._padded_run(planes, sigma)
        separate_channels = planes.reshape(count * channels, 1, height, width)
        repeats = 1 if 1 in accepted else accepted[0]
        step = max(1, min(BATCH_SIZE, self._tile_size() ** 2 // (height * width)))
        parts = (separate_channels[start : start + step] for start in range(0, len(separate_channels), step))
        outputs = [self._padded_run(part.repeat(repeats, axis=1), sigma).mean(axis=1) for part in parts]
        return np.concatenate(outputs).reshape(planes.shape)

    def _padded_run(self, planes: np.ndarray, sigma: float | None) -> np.ndarray:
        spec = self.input_spec
        sigmas = None if sigma is None else np.full(len(planes), sigma, np.float32)
        padded = planes if spec.fixed_size else pad_planes(planes, spec.multiple_of, spec.minimum_size)
        denoised = self._network(padded, sigmas)[..., : planes.shape[-2], : planes.shape[-1]]
        # Values that are so large that they overflow in the network are kept.
        return denoised if np.isfinite(denoised).all() else np.where(np.isfinite(denoised), denoised, planes)


def _load_checkpoint_model(source: "Checkpoint | Weights") -> "CheckpointModel":
    from pellucid.checkpoint import load
    from pellucid.inference.checkpoint_model import CheckpointModel

    if not isinstance(source, Weights):
        return CheckpointModel(source)
    if source.safetensors is None:
        raise UsageError(f"{source.onnx} is an exported network: give a .safetensors checkpoint")
    check_file(source.safetensors, source.sha256(source.safetensors))
    return CheckpointModel(load(source.safetensors))
