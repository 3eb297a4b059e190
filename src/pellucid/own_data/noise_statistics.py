"""What kind of noise images have: how strong, along which axis it is correlated, whether it follows the brightness."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Axis = Literal["none", "rows", "columns", "both"]

BLOCK, LEAST_BLOCK = 32, 8
LAGS = tuple(range(1, 9))
LARGEST = 1024  # more of an image than its middle tells nothing new
# A block of which more is black or white is clipped, and shows less noise than there is.
MOST_AT_BOUNDS = 0.1
FLATTEST, QUIETEST = 0.1, 0.05
LEVELS, BINS = 5, 10
# Texture that is left in the flattest parts correlates a little too; differences show the noise alone.
CORRELATED = {"differences": 0.2, "flattest parts": 0.25}
MOST_BLOCKS = 200
IMPULSES, IMPULSE_ERROR = 0.002, 0.8
DEPENDS = 1.4
LEAST_SPREAD = 0.05


@dataclass(frozen=True, eq=False)
class Sample:
    """What one image tells of its noise, in [0, 1] units.

    Attributes:
        error: the root mean square of the difference to what it was compared with; of noisy images alone, the
            deviation in the flattest parts.
        shift: the mean of that difference; 0 of noisy images alone.
        variance: of the noise within blocks of 32x32 pixels, less a plane through each.
        rows: (8,), its covariance with the pixel 1 to 8 to the right, as a share of the variance.
        columns: (8,), the same with the pixels beneath.
        means: (B,), the brightness of blocks.
        deviations: (B,), the noise's deviation in them.
        impulses: the share of pixels that are black or white and should not be, where those make most of the error.
    """

    error: float
    shift: float
    variance: float
    rows: np.ndarray
    columns: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    impulses: float = 0.0


@dataclass(frozen=True)
class NoiseKind:
    """What a sample of images tells of their noise, in [0, 1] units.

    Attributes:
        level: the root mean square of the error, over all images.
        least: that of the cleanest tenth of the images.
        most: that of the noisiest tenth.
        shift: how much brighter the noisy images are on the whole.
        axis: along which rows or columns of pixels it is correlated.
        reach: how many neighbours (to the right, beneath) it is correlated with, up to 8.
        correlation: with the next pixel (to the right, beneath).
        dark: the deviation where the images are dark.
        bright: the deviation where they are bright.
        depends: whether the two differ beyond doubt.
        shot: by how much its variance grows from black to white.
        read: its deviation at black, where the variance follows a straight line.
        impulses: the share of pixels that are black or white and should not be.
        source: what it was read from: "differences" or "flattest parts".
    """

    level: float
    least: float
    most: float
    shift: float
    axis: Axis
    reach: tuple[int, int]
    correlation: tuple[float, float]
    dark: float
    bright: float
    depends: bool
    shot: float
    read: float
    impulses: float
    source: Literal["differences", "flattest parts"]


def from_difference(noisy: np.ndarray, clean: np.ndarray, takes: bool = False) -> Sample:
    """Look at an image beside its clean one, both (C, H, W) with white at 1, or beside another noisy take of it."""
    noisy, clean = middle(noisy), middle(clean)
    difference = (noisy - clean) / (2**0.5 if takes else 1.0)
    blocks, light = _blocks(difference), _blocks((noisy + clean) / 2 if takes else clean)
    kept = _unclipped(_blocks(noisy))
    squares = np.square(difference)
    at_bounds = ((noisy <= 0) | (noisy >= 1)) & (squares > 0.01)
    share = float(at_bounds.mean())
    carried = float(squares[at_bounds].sum() / max(float(squares.sum()), 1e-30))
    impulses = share if share > IMPULSES and carried > IMPULSE_ERROR else 0.0
    error = float(np.sqrt(squares.mean()))
    return _sample(error, 0.0 if takes else float(difference.mean()), blocks[kept], light[kept], impulses)


def from_flattest(noisy: np.ndarray) -> Sample:
    """Look at a noisy image (C, H, W) alone, white at 1: at the tenth of its blocks that vary least."""
    blocks = _blocks(middle(noisy))
    blocks = blocks[_unclipped(blocks)]
    variances = np.square(_without_plane(blocks)).mean(axis=(1, 2))
    means = blocks.mean(axis=(1, 2))
    flattest = variances.argsort()[: max(4, round(FLATTEST * len(blocks)))]
    sample = _sample(float(np.sqrt(variances[flattest].mean())), 0.0, blocks[flattest], blocks[flattest])
    chosen = np.concatenate([part[: max(1, len(part) // 4)] for part in _by_brightness(means, variances)])
    told = {"means": means[chosen][:MOST_BLOCKS], "deviations": np.sqrt(variances[chosen])[:MOST_BLOCKS]}
    return dataclasses.replace(sample, **told)


def quietest(image: np.ndarray) -> float:
    """Return the deviation in the twentieth of an image's 8x8 blocks that vary least, clipped ones included."""
    variances = np.sort(np.square(_without_plane(_blocks(middle(image), LEAST_BLOCK))).mean(axis=(1, 2)))
    return float(np.sqrt(variances[: max(1, round(QUIETEST * len(variances)))].mean()))


def combined(samples: Sequence[Sample], source: Literal["differences", "flattest parts"]) -> NoiseKind:
    """Return what images tell together: medians over them of what is correlated, root mean squares of the rest."""
    errors = np.array([sample.error for sample in samples])
    telling = [sample for sample in samples if sample.variance > 0] or samples
    rows, columns = (np.median([getattr(sample, name) for sample in telling], axis=0) for name in ("rows", "columns"))
    means, deviations = (np.concatenate([getattr(s, name) for s in samples]) for name in ("means", "deviations"))
    dark, bright, depends = _ends(means, deviations)
    shot, read = _line(means, np.square(deviations))
    return NoiseKind(
        level=float(np.sqrt(np.square(errors).mean())),
        least=float(np.quantile(errors, 0.1)),
        most=float(np.quantile(errors, 0.9)),
        shift=float(np.mean([sample.shift for sample in samples])),
        axis=_axis(float(rows[0]), float(columns[0]), CORRELATED[source]),
        reach=(_reach(rows, CORRELATED[source]), _reach(columns, CORRELATED[source])),
        correlation=(float(rows[0]), float(columns[0])),
        dark=dark,
        bright=bright,
        depends=depends,
        shot=shot,
        read=read,
        impulses=float(np.median([sample.impulses for sample in samples])),
        source=source,
    )


def nothing_left(noisy: np.ndarray) -> bool:
    """Return whether an image (C, H, W) is nothing but white noise: means over 8x8 pixels vary as little as its would.

    Small images, of fewer than 64 such squares, cannot be told.
    """
    _, height, width = noisy.shape
    rows, columns = height // LEAST_BLOCK, width // LEAST_BLOCK
    if rows * columns < 64:
        return False
    cut = noisy[:, : rows * LEAST_BLOCK, : columns * LEAST_BLOCK].astype(np.float64)
    squares = cut.reshape(len(cut), rows, LEAST_BLOCK, columns, LEAST_BLOCK)
    within = squares.var(axis=(2, 4)).mean()
    between = squares.mean(axis=(2, 4)).var(axis=(1, 2)).mean()
    return bool(between < 1.2 * within / LEAST_BLOCK**2)


def in_common(noisy: np.ndarray, clean: np.ndarray) -> float:
    """Return how far an image follows another of its shape: their coefficient of correlation."""
    one, other = (image - image.mean(dtype=np.float64) for image in (noisy, clean))
    power = float(np.sqrt(np.square(one).mean() * np.square(other).mean()))
    return float((one * other).mean()) / power if power else 0.0


def middle(planes: np.ndarray) -> np.ndarray:
    """Return the middle of an image (C, H, W), at most 1024 pixels high and wide."""
    _, height, width = planes.shape
    top, left = max(0, height - LARGEST) // 2, max(0, width - LARGEST) // 2
    return planes[:, top : top + LARGEST, left : left + LARGEST]


def _sample(error: float, shift: float, blocks: np.ndarray, light: np.ndarray, impulses: float = 0.0) -> Sample:
    flat = _without_plane(blocks)
    variances = np.square(flat).mean(axis=(1, 2))
    variance = float(variances.mean()) if len(flat) else 0.0
    scale = max(variance, 1e-30)
    lags = [lag for lag in LAGS if lag < flat.shape[-1]]
    rows = [float((flat[:, :, lag:] * flat[:, :, :-lag]).mean()) / scale if variance else 0.0 for lag in lags]
    columns = [float((flat[:, lag:] * flat[:, :-lag]).mean()) / scale if variance else 0.0 for lag in lags]
    few = np.linspace(0, len(flat) - 1, min(len(flat), MOST_BLOCKS)).astype(int)
    filled = (*rows, *[0.0] * (len(LAGS) - len(rows))), (*columns, *[0.0] * (len(LAGS) - len(columns)))
    means, deviations = light.mean(axis=(1, 2))[few], np.sqrt(variances)[few]
    return Sample(error, shift, variance, np.array(filled[0]), np.array(filled[1]), means, deviations, impulses)


def _blocks(planes: np.ndarray, largest: int = BLOCK) -> np.ndarray:
    """Return the squares of `largest` pixels (fewer of small images) side by side in (C, H, W), as (B, S, S)."""
    channels, height, width = planes.shape
    side = max(2, min(largest, max(LEAST_BLOCK, min(height, width) // 2), height, width))
    rows, columns = height // side, width // side
    cut = planes[:, : rows * side, : columns * side].reshape(channels, rows, side, columns, side)
    return cut.transpose(0, 1, 3, 2, 4).reshape(-1, side, side).astype(np.float64)


def _unclipped(blocks: np.ndarray) -> np.ndarray:
    """Return which blocks are hardly clipped at the least or the greatest value; all where none is."""
    at_bounds = ((blocks <= blocks.min()) | (blocks >= blocks.max())).mean(axis=(1, 2))
    kept = at_bounds < MOST_AT_BOUNDS
    return kept if kept.any() else np.ones(len(blocks), bool)


def _without_plane(blocks: np.ndarray) -> np.ndarray:
    """Return blocks (B, S, S) less the plane that fits each best."""
    side = blocks.shape[-1]
    places = np.stack([np.ones((side, side)), *np.mgrid[:side, :side]]).reshape(3, -1).T
    basis, _ = np.linalg.qr(places)
    flat = blocks.reshape(len(blocks), -1)
    return (flat - (flat @ basis) @ basis.T).reshape(blocks.shape)


def _by_brightness(means: np.ndarray, variances: np.ndarray) -> list[np.ndarray]:
    """Return the indices of blocks in fifths of brightness, those that vary least first."""
    fifths = np.array_split(means.argsort(), LEVELS)
    return [fifth[variances[fifth].argsort()] for fifth in fifths if len(fifth)]


def _ends(means: np.ndarray, deviations: np.ndarray) -> tuple[float, float, bool]:
    """Return the deviation in the darkest and the brightest fifth of all blocks, and whether they differ for sure."""
    order = means.argsort()
    fifth = max(1, len(order) // LEVELS)
    ends = [float(np.sqrt(np.square(deviations[part]).mean())) for part in (order[:fifth], order[-fifth:])]
    spread = float(means[order[-fifth:]].mean() - means[order[:fifth]].mean())
    apart = max(ends) > DEPENDS * min(ends) and spread > LEAST_SPREAD and len(order) >= 2 * LEVELS
    return ends[0], ends[1], bool(apart)


def _line(means: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Return the slope and the root of the offset, neither negative, of a line through the variances over the means."""
    bins = np.array_split(means.argsort(), min(BINS, len(means)))
    x, y = (np.array([np.median(values[part]) for part in bins]) for values in (means, variances))
    centred = x - x.mean()
    slope = max(0.0, float((centred * y).sum() / max(float((centred * centred).sum()), 1e-30)))
    offset = float(y.mean() - slope * x.mean())
    if offset < 0:
        slope, offset = max(0.0, float((x * y).sum() / max(float((x * x).sum()), 1e-30))), 0.0
    return slope, offset**0.5


def _axis(rows: float, columns: float, least: float) -> Axis:
    strong, weak = max(rows, columns), min(rows, columns)
    if strong < least:
        return "none"
    if weak < strong / 2:
        return "rows" if rows > columns else "columns"
    return "both"


def _reach(correlations: np.ndarray, least: float) -> int:
    """Return after how many pixels the correlation first falls under `least`."""
    below = np.flatnonzero(correlations < least)
    return int(below[0]) if len(below) else len(correlations)
