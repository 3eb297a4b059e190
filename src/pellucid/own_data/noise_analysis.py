"""Measure the noise of some images: its level, correlation and dependence on brightness; estimate the level of all."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from pellucid.errors import PellucidError, UsageError
from pellucid.image import ImageFile, read_image
from pellucid.inference.contrast import is_stretched
from pellucid.inference.frames import Frames
from pellucid.own_data.sources import Sources
from pellucid.own_data.validate_files import (
    MIN_CORRELATION,
    ImageInfo,
    center_crop,
    center_planes,
    correlation,
    map_in_threads,
)

Axis = Literal["none", "rows", "columns", "both"]
Method = Literal["differences", "flat blocks"]
StageProgress = Callable[[str, int, int], object]

NUM_SAMPLED = 24
MIN_NOISE_RATIO, MIN_NOISE_DIFFERENCE = 1.3, 0.002  # of a clean image that is noisier than the noisy one
BLOCK_SIZE, MIN_BLOCK, MAX_BLOCKS = 32, 8, 200
LAGS = tuple(range(1, 9))
# A block of which more is black or white is clipped, and shows less noise than there is.
MAX_CLIPPED_FRACTION = 0.1
FLAT_FRACTION, QUIET_FRACTION = 0.1, 0.05
BRIGHTNESS_GROUPS, LINE_BINS = 5, 10
# The texture that is left in flat blocks is correlated a little too; differences hold the noise only.
MIN_AXIS_CORRELATION: dict[Method, float] = {"differences": 0.2, "flat blocks": 0.25}
MIN_IMPULSE_FRACTION, MIN_IMPULSE_ERROR = 0.002, 0.8
MIN_DEPENDENCE, MIN_BRIGHTNESS_RANGE = 1.4, 0.05
TINY = 1e-30


@dataclass(frozen=True, eq=False)
class NoiseSample:
    """The noise of one image, in [0, 1] units.

    Attributes:
        error: the RMS difference from the reference; of noisy images alone, the std in the flattest blocks.
        mean_shift: the mean of that difference; 0 for noisy images alone.
        variance: of the noise within blocks of 32x32 pixels, less a plane through each.
        rows: (8,), the correlation with the pixels 1 to 8 to the right.
        columns: (8,), the same with the pixels below.
        means: (B,), the brightness of blocks.
        stds: (B,), the std of the noise in them.
        impulse_fraction: the fraction of pixels that are black or white and should not be, where those cause most of
            the error.
    """

    error: float
    mean_shift: float
    variance: float
    rows: np.ndarray
    columns: np.ndarray
    means: np.ndarray
    stds: np.ndarray
    impulse_fraction: float = 0.0


@dataclass(frozen=True)
class NoiseStatistics:
    """The noise of several images, in [0, 1] units.

    Attributes:
        sigma: the root mean square of the error, over all images.
        min_sigma: that of the cleanest tenth of the images.
        max_sigma: that of the noisiest tenth.
        mean_shift: how much brighter the noisy images are on average.
        axis: the direction in which it is correlated.
        correlation_length: the number of neighbors (to the right, below) that it is correlated with, up to 8.
        correlation: with the next pixel (to the right, below).
        sigma_dark: the std where the images are dark.
        sigma_bright: the std where they are bright.
        is_signal_dependent: whether the two differ beyond doubt.
        shot: the increase of the variance from black to white, fitted by a line.
        read: the std at black on that line.
        impulse_fraction: the fraction of pixels that are black or white and should not be.
        method: measured on differences from a reference, or on the flattest blocks of noisy images.
    """

    sigma: float
    min_sigma: float
    max_sigma: float
    mean_shift: float
    axis: Axis
    correlation_length: tuple[int, int]
    correlation: tuple[float, float]
    sigma_dark: float
    sigma_bright: float
    is_signal_dependent: bool
    shot: float
    read: float
    impulse_fraction: float
    method: Method


@dataclass(frozen=True)
class NoiseAnalysis:
    """The noise of some of the images.

    Attributes:
        statistics: its level and kind.
        swapped: whether the clean images are noisier than the noisy ones.
        stretched: whether the contrast of noisy images without clean ones was stretched to the peaks of their noise
            (`pellucid.inference.contrast`).
    """

    statistics: NoiseStatistics
    swapped: bool = False
    stretched: bool = False


def analyze_noise(
    sources: Sources, images: Sequence[ImageInfo], data_range: float, progress: StageProgress | None
) -> NoiseAnalysis:
    """Analyze the noise of at most 24 images, evenly spread over all.

    Raises:
        UsageError: if the noise that the user chose hides an image.
    """
    index = np.unique(np.linspace(0, len(images) - 1, min(len(images), NUM_SAMPLED)).astype(int))
    max_pages = max(1, NUM_SAMPLED // len(index))
    sample = partial(_sample_image, sources=sources, data_range=data_range, max_pages=max_pages)
    chosen = [images[place] for place in index]
    report_progress = progress and partial(progress, "noise")
    sample_lists, flags = zip(*map_in_threads(sample, chosen, report_progress), strict=True)
    samples = [sample for image_samples in sample_lists for sample in image_samples]
    is_majority = float(np.mean(flags)) > 0.5
    if sources.kind != "noisy":
        statistics = combine_samples(samples, "differences")
        return NoiseAnalysis(statistics, swapped=sources.kind == "pairs" and is_majority)
    statistics = combine_samples(samples, "flat blocks")
    if statistics.axis not in ("rows", "columns"):
        statistics = _with_estimated_sigma(statistics, chosen, data_range)
    return NoiseAnalysis(statistics, stretched=is_majority)


def estimate_sigmas(
    images: Sequence[ImageInfo], data_range: float, progress: StageProgress | None = None
) -> list[float]:
    """Return the noise level of each noisy image in [0, 1] units, as a denoiser estimates it later.

    Raises:
        PellucidError: if the network that estimates it is missing.
    """
    sigmas = []
    for number, image in enumerate(images):
        sigmas.append(_estimate_image(image, data_range))
        if progress:
            progress("noise levels", number + 1, len(images))
    return sigmas


def measure_difference(noisy: np.ndarray, reference: np.ndarray, captures: bool = False) -> NoiseSample:
    """Measure the noise of an image by its difference from a reference.

    Args:
        noisy: (C, H, W) in [0, 1] units.
        reference: of the same shape: the clean image, or another noisy capture.
        captures: whether it is another capture, with noise of the same level.
    """
    noisy, reference = center_crop(noisy), center_crop(reference)
    difference = (noisy - reference) / (2**0.5 if captures else 1.0)
    blocks, light = _blocks(difference), _blocks((noisy + reference) / 2 if captures else reference)
    kept = _unclipped(_blocks(noisy))
    squares = np.square(difference)
    is_impulse = ((noisy <= 0) | (noisy >= 1)) & (squares > 0.01)
    fraction = float(is_impulse.mean())
    error_fraction = float(squares[is_impulse].sum() / max(float(squares.sum()), TINY))
    if fraction <= MIN_IMPULSE_FRACTION or error_fraction <= MIN_IMPULSE_ERROR:
        fraction = 0.0
    error = float(np.sqrt(squares.mean()))
    return _make_sample(error, 0.0 if captures else float(difference.mean()), blocks[kept], light[kept], fraction)


def measure_flat_blocks(noisy: np.ndarray) -> NoiseSample:
    """Measure the noise of an image (C, H, W) in [0, 1] units without a reference, in its flattest blocks."""
    blocks = _blocks(center_crop(noisy))
    blocks = blocks[_unclipped(blocks)]
    variances = np.square(_without_plane(blocks)).mean(axis=(1, 2))
    means = blocks.mean(axis=(1, 2))
    flattest = variances.argsort()[: max(4, round(FLAT_FRACTION * len(blocks)))]
    sample = _make_sample(float(np.sqrt(variances[flattest].mean())), 0.0, blocks[flattest], blocks[flattest])
    groups = _by_brightness(means, variances)
    chosen = np.concatenate([group[: max(1, len(group) // 4)] for group in groups])[:MAX_BLOCKS]
    return dataclasses.replace(sample, means=means[chosen], stds=np.sqrt(variances[chosen]))


def flat_block_sigma(image: np.ndarray) -> float:
    """Return the std in the flattest twentieth of an image's 8x8 blocks, including clipped ones; image is (C, H, W)."""
    variances = np.sort(np.square(_without_plane(_blocks(center_crop(image), MIN_BLOCK))).mean(axis=(1, 2)))
    return float(np.sqrt(variances[: max(1, round(QUIET_FRACTION * len(variances)))].mean()))


def combine_samples(samples: Sequence[NoiseSample], method: Method) -> NoiseStatistics:
    """Return the statistics of several images: medians of correlations, root mean squares of levels."""
    errors = np.array([sample.error for sample in samples])
    varied = [sample for sample in samples if sample.variance > 0] or samples
    rows, columns = (np.median([getattr(sample, name) for sample in varied], axis=0) for name in ("rows", "columns"))
    means, stds = (np.concatenate([getattr(sample, name) for sample in samples]) for name in ("means", "stds"))
    sigma_dark, sigma_bright, is_signal_dependent = _dark_and_bright(means, stds)
    shot, read = _fit_line(means, np.square(stds))
    threshold = MIN_AXIS_CORRELATION[method]
    return NoiseStatistics(
        sigma=float(np.sqrt(np.square(errors).mean())),
        min_sigma=float(np.quantile(errors, 0.1)),
        max_sigma=float(np.quantile(errors, 0.9)),
        mean_shift=float(np.mean([sample.mean_shift for sample in samples])),
        axis=_axis(float(rows[0]), float(columns[0]), threshold),
        correlation_length=(_correlation_length(rows, threshold), _correlation_length(columns, threshold)),
        correlation=(float(rows[0]), float(columns[0])),
        sigma_dark=sigma_dark,
        sigma_bright=sigma_bright,
        is_signal_dependent=is_signal_dependent,
        shot=shot,
        read=read,
        impulse_fraction=float(np.median([sample.impulse_fraction for sample in samples])),
        method=method,
    )


def _sample_image(
    info: ImageInfo, sources: Sources, data_range: float, max_pages: int
) -> tuple[list[NoiseSample], bool]:
    """Return samples of some pages, and whether the clean image is noisier, or noisy ones are stretched."""
    files = [read_image(path) for path in info.item.files]
    pages = np.unique(np.linspace(0, info.pages - 1, min(info.pages, max_pages)).astype(int)).tolist()
    samples, flags = [], []
    for page in pages:
        planes = [center_planes(file, data_range, page) for file in files]
        if sources.kind == "noisy":
            samples.append(measure_flat_blocks(planes[0]))
            flags.append(is_stretched(planes[0], 1.0))
            continue
        if sources.kind == "clean":
            planes.insert(0, _add_noise(planes[0], files[0], info.item.name, sources))
        samples.append(measure_difference(*planes, captures=sources.kind == "captures"))
        noisy_sigma, clean_sigma = (flat_block_sigma(part) for part in planes)
        flags.append(clean_sigma > MIN_NOISE_RATIO * noisy_sigma + MIN_NOISE_DIFFERENCE)
    return samples, float(np.mean(flags)) > 0.5


def _add_noise(clean: np.ndarray, file: ImageFile, name: str, sources: Sources) -> np.ndarray:
    """Return a clean image (C, H, W) with the noise that the user chose; raises UsageError if it hides the image."""
    from pellucid.noise.add_noise import add_noise, parse_noise_text
    from pellucid.registry import build

    options = parse_noise_text(sources.noise)
    noise = build("noise", options.pop("name"), options)
    clip = file.pixels.dtype.kind == "u"
    noisy = add_noise(clean, noise, channel_axis=0, name=name, clip=clip, data_range=1.0)
    if correlation(noisy, clean) < MIN_CORRELATION:
        raise UsageError(
            f"--noise {' '.join(sources.noise)} leaves nothing of {file.path}: give weaker noise (sigma is of 255)"
        )
    return noisy


def _with_estimated_sigma(
    statistics: NoiseStatistics, images: Sequence[ImageInfo], data_range: float
) -> NoiseStatistics:
    """Return statistics with the levels that the noise-level network estimates, which sees more than flat blocks.

    It does not know noise that is correlated along one axis; without the network, the statistics stay as they are.
    """
    try:
        chosen = images[:: max(1, len(images) // 8)]
        sigmas = [_estimate_image(image, data_range, pages=slice(1)) for image in chosen]
    except (PellucidError, ImportError):
        return statistics
    sigma = float(np.sqrt(np.square(sigmas).mean()))
    return dataclasses.replace(statistics, sigma=sigma, min_sigma=min(sigmas), max_sigma=max(sigmas))


def _estimate_image(image: ImageInfo, data_range: float, pages: slice = slice(None)) -> float:
    from pellucid.inference.noise_estimation import estimate_sigma

    file = read_image(image.item.files[0])
    pixels = file.pixels[pages] if file.is_stack else file.pixels
    return estimate_sigma(Frames(pixels, file.channel_axis, data_range, has_alpha=False))


def _make_sample(
    error: float, mean_shift: float, blocks: np.ndarray, light: np.ndarray, impulse_fraction: float = 0.0
) -> NoiseSample:
    flat = _without_plane(blocks)
    variances = np.square(flat).mean(axis=(1, 2))
    variance = float(variances.mean()) if len(flat) else 0.0
    rows, columns = np.zeros(len(LAGS)), np.zeros(len(LAGS))
    if variance:
        scale = max(variance, TINY)
        for number, lag in enumerate(lag for lag in LAGS if lag < flat.shape[-1]):
            rows[number] = float((flat[:, :, lag:] * flat[:, :, :-lag]).mean()) / scale
            columns[number] = float((flat[:, lag:] * flat[:, :-lag]).mean()) / scale
    index = np.linspace(0, len(flat) - 1, min(len(flat), MAX_BLOCKS)).astype(int)
    means, stds = light.mean(axis=(1, 2))[index], np.sqrt(variances)[index]
    return NoiseSample(error, mean_shift, variance, rows, columns, means, stds, impulse_fraction)


def _blocks(planes: np.ndarray, max_side: int = BLOCK_SIZE) -> np.ndarray:
    """Cut (C, H, W) into squares of `max_side` pixels, smaller ones for small images, as (B, S, S) float64."""
    channels, height, width = planes.shape
    side = max(2, min(max_side, max(MIN_BLOCK, min(height, width) // 2), height, width))
    rows, columns = height // side, width // side
    cropped = planes[:, : rows * side, : columns * side].reshape(channels, rows, side, columns, side)
    return cropped.transpose(0, 1, 3, 2, 4).reshape(-1, side, side).astype(np.float64)


def _unclipped(blocks: np.ndarray) -> np.ndarray:
    """Return a mask of the blocks that hardly hold the smallest or the largest value; all where none does."""
    clipped_fraction = ((blocks <= blocks.min()) | (blocks >= blocks.max())).mean(axis=(1, 2))
    kept = clipped_fraction < MAX_CLIPPED_FRACTION
    return kept if kept.any() else np.ones(len(blocks), bool)


def _without_plane(blocks: np.ndarray) -> np.ndarray:
    """Return blocks (B, S, S) less the plane that fits each best."""
    side = blocks.shape[-1]
    coordinates = np.stack([np.ones((side, side)), *np.mgrid[:side, :side]]).reshape(3, -1).T
    basis, _ = np.linalg.qr(coordinates)
    flat = blocks.reshape(len(blocks), -1)
    return (flat - (flat @ basis) @ basis.T).reshape(blocks.shape)


def _by_brightness(means: np.ndarray, variances: np.ndarray) -> list[np.ndarray]:
    """Return the indices of blocks in fifths of brightness, in each the flattest first."""
    fifths = np.array_split(means.argsort(), BRIGHTNESS_GROUPS)
    return [fifth[variances[fifth].argsort()] for fifth in fifths if len(fifth)]


def _dark_and_bright(means: np.ndarray, stds: np.ndarray) -> tuple[float, float, bool]:
    """Return the std in the darkest and in the brightest fifth of all blocks, and whether they differ beyond doubt."""
    order = means.argsort()
    fifth = max(1, len(order) // BRIGHTNESS_GROUPS)
    dark, bright = (float(np.sqrt(np.square(stds[part]).mean())) for part in (order[:fifth], order[-fifth:]))
    brightness_range = float(means[order[-fifth:]].mean() - means[order[:fifth]].mean())
    is_ratio_clear = max(dark, bright) > MIN_DEPENDENCE * min(dark, bright)
    has_contrast = brightness_range > MIN_BRIGHTNESS_RANGE and len(order) >= 2 * BRIGHTNESS_GROUPS
    return dark, bright, bool(is_ratio_clear and has_contrast)


def _fit_line(means: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Fit a line through variances over means; return its slope and the square root of its offset, both at least 0."""
    bins = np.array_split(means.argsort(), min(LINE_BINS, len(means)))
    x, y = (np.array([np.median(values[part]) for part in bins]) for values in (means, variances))
    centered = x - x.mean()
    slope = max(0.0, float((centered * y).sum() / max(float((centered * centered).sum()), TINY)))
    offset = float(y.mean() - slope * x.mean())
    if offset < 0:
        slope, offset = max(0.0, float((x * y).sum() / max(float((x * x).sum()), TINY))), 0.0
    return slope, offset**0.5


def _axis(rows: float, columns: float, threshold: float) -> Axis:
    strong, weak = max(rows, columns), min(rows, columns)
    if strong < threshold:
        return "none"
    if weak < strong / 2:
        return "rows" if rows > columns else "columns"
    return "both"


def _correlation_length(correlations: np.ndarray, threshold: float) -> int:
    """Return the number of lags before the correlation first falls below the threshold."""
    below = np.flatnonzero(correlations < threshold)
    return int(below[0]) if len(below) else len(correlations)
