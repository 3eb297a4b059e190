"""Adapt a shipped network to one image: measure the noise in the image, and fine-tune the network for it."""

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pellucid.engines.base import Precision
from pellucid.errors import UsageError
from pellucid.inference.contrast import is_stretched
from pellucid.inference.denoiser import Denoiser
from pellucid.inference.frames import Frames
from pellucid.inference.noise_estimation import estimate_sigma
from pellucid.inference.variance_stabilization import VarianceStabilizer, fit_stabilizer
from pellucid.input_spec import InputSpec
from pellucid.utils.optional_imports import import_optional
from pellucid.utils.progress import Progress, split_progress
from pellucid.utils.system import num_cores
from pellucid.weights.catalog import SELF_TRAINED, find, verify

if TYPE_CHECKING:
    from pellucid.inference.fine_tuning import AdaptedNetwork

PRETRAINED = "photo"  # the shipped network that is fine-tuned
MAX_PIXELS, TILE_SIDE = 2**21, 256
MAX_SIGMA = 0.2  # the shipped network was trained with little stronger noise
DEFAULT_MINUTES, MAX_MINUTES = 0.75, 24 * 60
MIN_SECONDS = 0.1
MAX_CORRELATION = 0.2  # residuals of white noise have less: a network leaves them almost white
MIN_SIDE = 32  # smaller images are not worth training on
TRAINING_FRACTION = 0.95  # of the time


class TestTimeAdaptation(Denoiser):
    """A denoiser that adapts a shipped network to each image before it denoises it.

    Attributes:
        minutes: how long the training may take; denoising then takes a few seconds for each megapixel.
        steps: the number of training steps, if not 0: the result then depends on the image and the seed only.
        seed: of the random patches and their noise.
        device: "auto", "cpu", "cuda" or "mps".
    """

    __test__ = False  # its name makes pytest take it for a test

    def __init__(
        self,
        minutes: float | None = None,
        steps: int = 0,
        seed: int = 0,
        threads: int = 0,
        tile: int = 0,
        device: str = "auto",
    ) -> None:
        """Set the length of the training.

        Args:
            minutes: as in the attribute; None for 0.75.
            steps: as in the attribute.
            seed: as in the attribute.
            threads: the number of threads; 0 for all cores.
            tile: as in `Denoiser.load`.
            device: as in the attribute.

        Raises:
            UsageError: if an argument is out of range, or this machine lacks the device.
            PellucidError: if torch is not installed.
        """
        minutes = DEFAULT_MINUTES if minutes is None else minutes
        if not 0 < minutes <= MAX_MINUTES:
            raise UsageError(f"minutes is {minutes:g}: give a time above 0 and up to a day, such as 0.75")
        if steps < 0:
            raise UsageError(f"steps is {steps}: give the number of training steps, or 0 to train for `minutes`")
        import_optional("torch", "train", f"the model {SELF_TRAINED}")
        from pellucid.inference.fine_tuning import best_precision
        from pellucid.utils.device import resolve_device

        network = _NotAdapted(best_precision(resolve_device(device)))
        super().__init__(network, threads=threads, tile=tile)
        self.minutes, self.steps, self.seed, self.device = minutes, steps, seed, device

    def batch(self, images: np.ndarray, sigma: float | None = None) -> np.ndarray:
        """Adapt to images (N, C, H, W), float32 with white at 1, and denoise them."""
        return self(np.asarray(images, np.float32), channel_axis=1, data_range=1.0, has_alpha=False)

    def fit(self, image: Frames, report_progress: Callable[[float], object] = lambda fraction: None) -> Denoiser:
        """Return a denoiser of one image or stack, whose network is fine-tuned on it.

        Args:
            image: the image; smaller ones than 32 pixels are denoised without fine-tuning.
            report_progress: called with the fraction of the training that is done; may raise Cancelled.
        """
        from pellucid.inference.fine_tuning import AdaptedNetwork

        end_time = time.monotonic() + self.minutes * 60
        report_progress(0.0)
        tiles = sample_tiles(image)
        weights = find(PRETRAINED)
        verify(weights)
        assert weights.safetensors
        network = AdaptedNetwork(weights.safetensors, self.threads or num_cores(), self.device)
        sigma = estimate_sigma(image, self.threads)
        estimates = [network(_as_planes(tile), sigma) for tile in tiles]
        residuals = [_as_planes(tile) - estimate for tile, estimate in zip(tiles, estimates, strict=True)]
        if correlation(residuals) > MAX_CORRELATION:
            stabilizers = [VarianceStabilizer.identity(sigma) for _ in range(image.shape[1])]
            noise_samples = residuals
        else:
            stabilizers, noise_samples = _fit_stabilizers(tiles, estimates), None
        stabilized = [_stabilize(tile, stabilizers) for tile in tiles]
        sigma = estimate_sigma(Frames(np.concatenate(stabilized), 1, 1.0, has_alpha=False), self.threads)
        if min(image.shape[2:]) >= MIN_SIDE:
            estimates = [network(planes, sigma) for planes in stabilized]
            seconds = max(MIN_SECONDS, end_time - time.monotonic())
            network.fine_tune(estimates, sigma, noise_samples, seconds, self.steps, self.seed, report_progress)
        denoised = [network(planes, sigma) for planes in stabilized]
        stabilizers = [_calibrated(curve, index, tiles, denoised) for index, curve in enumerate(stabilizers)]
        stretched = _is_stretched(stabilizers, tiles)
        if stretched:
            message = "was stretched to the peaks of its noise: the result is stretched too, without --no-stretch"
            warnings.warn(f"{image.name} {message}", UserWarning, stacklevel=4)
        adapted = StabilizedNetwork(network, sigma, stabilizers, stretched)
        return Denoiser(adapted, threads=self.threads, tile=self._tile)

    def _for_image(self, frames: Frames, progress: Progress | None) -> tuple[Denoiser, Progress | None]:
        report_progress, remaining = split_progress(progress, TRAINING_FRACTION)
        return self.fit(frames, report_progress), remaining


class _NotAdapted:
    """Stands for the network until there is an image to adapt it to."""

    name: ClassVar[str] = "torch"

    def __init__(self, precision: Precision) -> None:
        self.precision: Precision = precision
        self.input_spec, self.conditional = InputSpec((1, 3)), False

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        raise NotImplementedError(f'the model "{SELF_TRAINED}" adapts to an image first: see `TestTimeAdaptation.fit`')


class StabilizedNetwork:
    """A network that is adapted to one image, with the variance stabilizer of each channel."""

    name: ClassVar[str] = "torch"

    def __init__(
        self, network: "AdaptedNetwork", sigma: float, stabilizers: list[VarianceStabilizer], stretched: bool = False
    ) -> None:
        """Combine a network with stabilizers.

        Args:
            network: denoises stabilized planes.
            sigma: the noise level on the stabilized scale.
            stabilizers: one for each channel.
            stretched: whether the image was stretched to the peaks of its noise (`pellucid.inference.contrast`).
        """
        self._network, self._sigma, self._stabilizers = network, sigma, stabilizers
        self.input_spec = InputSpec((len(stabilizers),), network.multiple_of, stretched=stretched)
        self.precision: Precision = network.precision
        self.conditional = False

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch (N, C, H, W); `sigma` is ignored, since the noise level of the image is known."""
        denoised = self._network(_stabilize(noisy, self._stabilizers), self._sigma).reshape(noisy.shape)
        channels = [curve.inverse(denoised[:, index]) for index, curve in enumerate(self._stabilizers)]
        return np.stack(channels, axis=1)


def sample_tiles(frames: Frames) -> list[np.ndarray]:
    """Return all pages of an image (1, C, H, W), or if they are too large, tiles that are spread evenly over them."""
    pages, channels, height, width = frames.shape
    if pages * channels * height * width <= MAX_PIXELS:
        return [frames.read(page, slice(0, height), slice(0, width)) for page in range(pages)]
    tile_height, tile_width = min(TILE_SIDE, height), min(TILE_SIDE, width)
    rows, columns = height // tile_height, width // tile_width
    num_cells = pages * rows * columns
    count = max(1, MAX_PIXELS // (channels * tile_height * tile_width))
    tiles = []
    for cell in np.unique(np.linspace(0, num_cells - 1, min(count, num_cells)).round().astype(int)):
        page, index = divmod(int(cell), rows * columns)
        row, column = divmod(index, columns)
        top, left = row * height // rows, column * width // columns
        tiles.append(frames.read(page, slice(top, top + tile_height), slice(left, left + tile_width)))
    return tiles


def correlation(residuals: list[np.ndarray]) -> float:
    """Return the correlation of adjacent pixels of residuals (N, C, H, W), from 0 to 1.

    It is the greater of the correlations along rows and along columns.
    """
    power = sum(float(np.square(residual).sum()) for residual in residuals)
    across = sum(float((residual[..., 1:] * residual[..., :-1]).sum()) for residual in residuals)
    down = sum(float((residual[..., 1:, :] * residual[..., :-1, :]).sum()) for residual in residuals)
    return max(across, down, 0.0) / power if power else 0.0


def _fit_stabilizers(tiles: list[np.ndarray], estimates: list[np.ndarray]) -> list[VarianceStabilizer]:
    """Return the stabilizer of each channel; the noise has one standard deviation in all of them."""
    estimates = [estimate.reshape(tile.shape) for estimate, tile in zip(estimates, tiles, strict=True)]
    stabilizers = []
    for channel in range(tiles[0].shape[1]):
        noisy, estimate = (np.concatenate([tile[0, channel].ravel() for tile in part]) for part in (tiles, estimates))
        stabilizers.append(fit_stabilizer(noisy, estimate))
    common = min(MAX_SIGMA, *(stabilizer.sigma for stabilizer in stabilizers))
    return [stabilizer.scaled(common) for stabilizer in stabilizers]


def _calibrated(
    stabilizer: VarianceStabilizer, channel: int, tiles: list[np.ndarray], denoised: list[np.ndarray]
) -> VarianceStabilizer:
    """Return the stabilizer of a channel with an inverse that keeps the mean brightness, unless it is the identity."""
    if stabilizer.is_identity:
        return stabilizer
    values = [part.reshape(tile.shape)[0, channel].ravel() for part, tile in zip(denoised, tiles, strict=True)]
    return stabilizer.calibrated(np.concatenate(values), np.concatenate([tile[0, channel].ravel() for tile in tiles]))


def _is_stretched(stabilizers: list[VarianceStabilizer], tiles: list[np.ndarray]) -> bool:
    """Return whether a gray image was stretched to the peaks of its noise.

    Noise that is equally strong everywhere reaches white where the scene is almost white, without any stretching.
    """
    if len(stabilizers) > 1 or stabilizers[0].is_identity or max(tile.max() for tile in tiles) > 1:
        return False
    return is_stretched(np.concatenate([tile.ravel() for tile in tiles]), 1.0)


def _stabilize(tile: np.ndarray, stabilizers: list[VarianceStabilizer]) -> np.ndarray:
    return _as_planes(np.stack([curve(tile[:, index]) for index, curve in enumerate(stabilizers)], axis=1))


def _as_planes(tile: np.ndarray) -> np.ndarray:
    """Return the network's input for (N, C, H, W): color is kept, else each channel is one image (N * C, 1, H, W)."""
    count, channels, height, width = tile.shape
    return tile if channels == 3 else tile.reshape(count * channels, 1, height, width)
