"""Estimate the noise level of an image with a small network that looks at tiles spread over it."""

import functools
from collections.abc import Callable

import numpy as np

from pellucid.engines.onnx_parser import read_onnx
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError
from pellucid.inference.frames import Frames
from pellucid.inference.tiling import pad_planes
from pellucid.utils.system import num_cores
from pellucid.weights import catalog

NETWORK = "noise-level"
MAX_TILES, MIN_SIDE, TILE_SIDE = 48, 64, 96
BATCH_SIZE = 16
# A tile that is black, white or filled with one color says nothing about the noise in the rest of the image.
MAX_CLIPPED_FRACTION, MAX_EQUAL_FRACTION = 0.5, 0.75
# The network adds this before it takes a logarithm, which is then finite without any noise too.
SIGMA_OFFSET = 0.5 / 255
MIN_LOG_STD, MAX_LOG_STD = 0.02, 100.0
OUTLIER_STDS = 2.5
MAX_ROUNDS = 5
MAD_TO_STD = 1.4826


def estimate_sigma(frames: Frames, threads: int = 0) -> float:
    """Return one noise level for an image or a whole stack, in [0, 1] units.

    The network estimates the noise level of each of up to 48 tiles of 64x64 to 96x96 pixels, and how certain it is; see
    `combine_tiles`. Tiles that are mostly clipped to black or white, or filled with one color, are left out unless all
    are.

    Args:
        frames: the image; gray is repeated to three channels, and of more than three the first three are used.
        threads: the number of threads; 0 for all cores.

    Raises:
        PellucidError: if the network is missing or damaged.
    """
    tiles = [_tile(frames, *position) for position in tile_positions(frames.shape)]
    informative = np.concatenate([tile for tile in tiles if not _is_uninformative(tile)] or tiles)
    network = load_estimator(threads or num_cores())
    estimates = [network(informative[start : start + BATCH_SIZE]) for start in range(0, len(informative), BATCH_SIZE)]
    return combine_tiles(*(np.concatenate(part) for part in zip(*estimates, strict=True)))


def combine_tiles(sigmas: np.ndarray, log_stds: np.ndarray) -> float:
    """Return one noise level in [0, 1]: the mean of ln(sigma + 0.5 / 255), weighted by 1 / log_std², without outliers.

    It starts from the weighted median. Then tiles that are off by more than 2.5 of the standard deviation that they and
    all tiles have together are left out and the mean is computed again, until it no longer changes.

    Args:
        sigmas: (N,), the noise level of each tile in [0, 1] units.
        log_stds: (N,), the standard deviation of each one's logarithm.
    """
    # The network may return anything for values far beyond white.
    sigmas = np.nan_to_num(sigmas, nan=1.0, posinf=1.0).clip(0, 1)
    logs = np.log(sigmas + SIGMA_OFFSET, dtype=np.float64)
    log_stds = np.nan_to_num(log_stds, nan=MAX_LOG_STD, posinf=MAX_LOG_STD).clip(MIN_LOG_STD, MAX_LOG_STD).astype(float)
    weights = 1 / np.square(log_stds)
    order = logs.argsort()
    center = logs[order][np.searchsorted(weights[order].cumsum(), weights.sum() / 2)]
    common_std = MAD_TO_STD * np.median(np.abs(logs - center))
    for _ in range(MAX_ROUNDS):
        kept = weights * (np.abs(logs - center) <= OUTLIER_STDS * np.hypot(log_stds, common_std))
        if not kept.any():
            break
        center = float((kept * logs).sum() / kept.sum())
    return min(1.0, max(0.0, float(np.exp(center)) - SIGMA_OFFSET))


def tile_positions(shape: tuple[int, int, int, int]) -> list[tuple[int, int, int]]:
    """Return (page, top, left) of up to 48 tiles, spread evenly over the pages, rows and columns of `shape`."""
    pages, _, height, width = shape
    rows, columns = (max(1, length // MIN_SIDE) for length in (height, width))
    num_pages = min(pages, MAX_TILES)
    per_page = max(1, MAX_TILES // num_pages)
    if rows * columns > per_page:
        fewer_rows = max(1, min(rows, round((per_page * rows / columns) ** 0.5)))
        rows, columns = fewer_rows, max(1, min(columns, per_page // fewer_rows))
    tops, lefts = _tile_starts(rows, height), _tile_starts(columns, width)
    sampled_pages = np.linspace(0, pages - 1, num_pages).round().astype(int).tolist()
    return [(page, top, left) for page in sampled_pages for top in tops for left in lefts]


def _tile_starts(count: int, length: int) -> list[int]:
    """Return where the tiles in the middle of `count` equal parts of an axis start."""
    centers = [(2 * index + 1) * length // (2 * count) for index in range(count)]
    return [max(0, min(center - TILE_SIDE // 2, length - TILE_SIDE)) for center in centers]


def _tile(frames: Frames, page: int, top: int, left: int) -> np.ndarray:
    """Return a tile (1, 3, h, w)."""
    channels = frames.shape[1]
    tile = frames.read(page, slice(top, top + TILE_SIDE), slice(left, left + TILE_SIDE))
    return tile[:, :3] if channels >= 3 else tile[:, :1].repeat(3, axis=1)


def _is_uninformative(tile: np.ndarray) -> bool:
    clipped = ((tile == 0) | (tile == 1)).all(axis=1).mean()
    equal = (tile[..., 1:] == tile[..., :-1]).all(axis=1)
    return bool(clipped > MAX_CLIPPED_FRACTION or (equal.size and equal.mean() > MAX_EQUAL_FRACTION))


@functools.cache
def load_estimator(threads: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a function that maps tiles (N, 3, H, W) to their (sigmas, log_stds), both (N,).

    Raises:
        PellucidError: if the network is missing or damaged.
    """
    weights = catalog.find(NETWORK) if NETWORK in catalog.cards() else None
    if weights is None or weights.onnx is None:
        raise PellucidError(
            f"{NETWORK}, which estimates the noise level, is missing: give a noise level, or {catalog.REINSTALL}"
        )
    file = read_onnx(weights.onnx, "estimate", weights.sha256(weights.onnx))
    session = Session(weights.onnx, file, threads)

    def estimate(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sigma, log_std = session(file.inputs(pad_planes(tiles, file.input_spec.multiple_of, MIN_SIDE)))
        return sigma, log_std

    return estimate
