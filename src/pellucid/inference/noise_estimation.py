"""The noise level of an image, read by a small network from tiles spread over it."""

import functools
from collections.abc import Callable

import numpy as np

from pellucid import weights
from pellucid.engines.onnx_parser import read_onnx
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError
from pellucid.inference.frames import Frames
from pellucid.inference.tiling import padded
from pellucid.utils.system import cores

NETWORK = "noise-level"
MOST_TILES, LEAST_SIDE, SIDE = 48, 64, 96
BATCH = 16
# A tile that is black, white or filled tells of no noise, whatever is in the rest of the image.
MOST_AT_BOUNDS, MOST_EQUAL = 0.5, 0.75
# What the network adds under its logarithm, which is finite without any noise so.
FLOOR = 0.5 / 255
LEAST_SPREAD, MOST_SPREAD = 0.02, 100.0
OUTLYING = 2.5
ROUNDS = 5


def estimate(frames: Frames, threads: int = 0) -> float:
    """Return one noise level for an image or a whole stack, in [0, 1] units.

    Up to 48 tiles of 64x64 to 96x96 pixels, spread evenly, each give the logarithm of the level and how sure it is;
    see `combined`. Tiles that are clipped to black or white, or filled with one colour, count only if all are.

    Args:
        frames: the image; gray ones are shown to the network as gray in three channels, and of more than three the
            first three.
        threads: as in `engines.start`.
    """
    tiles = [_tile(frames, *place) for place in places(frames.shape)]
    telling = np.concatenate([tile for tile in tiles if not _is_dead(tile)] or tiles)
    read = reader(threads or cores())
    found = [read(telling[start : start + BATCH]) for start in range(0, len(telling), BATCH)]
    return combined(*(np.concatenate(part) for part in zip(*found, strict=True)))


def combined(levels: np.ndarray, spreads: np.ndarray) -> float:
    """Return the level that tiles agree on: the mean of ln(level + 0.5 / 255) weighted by 1 / spread², less outliers.

    It is in [0, 1]. Starting from the weighted median, tiles further off than 2.5 of their own and the tiles' common
    spread are left out, and the mean is taken anew, until it stays.

    Args:
        levels: (N,), in [0, 1] units.
        spreads: (N,), the standard deviation of each one's logarithm.
    """
    # Values far beyond white can make the network say anything.
    levels = np.nan_to_num(levels, nan=1.0, posinf=1.0).clip(0, 1)
    logs = np.log(levels + FLOOR, dtype=np.float64)
    spreads = np.nan_to_num(spreads, nan=MOST_SPREAD, posinf=MOST_SPREAD).clip(LEAST_SPREAD, MOST_SPREAD).astype(float)
    shares = 1 / np.square(spreads)
    order = logs.argsort()
    middle = logs[order][np.searchsorted(shares[order].cumsum(), shares.sum() / 2)]
    common = 1.4826 * np.median(np.abs(logs - middle))
    for _ in range(ROUNDS):
        kept = shares * (np.abs(logs - middle) <= OUTLYING * np.hypot(spreads, common))
        if not kept.any():
            break
        middle = float((kept * logs).sum() / kept.sum())
    return min(1.0, max(0.0, float(np.exp(middle)) - FLOOR))


def places(shape: tuple[int, int, int, int]) -> list[tuple[int, int, int]]:
    """Return (page, top, left) of up to 48 tiles that are spread evenly over the pages, rows and columns of `shape`."""
    pages, _, height, width = shape
    rows, columns = (max(1, length // LEAST_SIDE) for length in (height, width))
    shown = min(pages, MOST_TILES)
    each = max(1, MOST_TILES // shown)
    if rows * columns > each:
        down = max(1, min(rows, round((each * rows / columns) ** 0.5)))
        rows, columns = down, max(1, min(columns, each // down))
    found = []
    for page in np.linspace(0, pages - 1, shown).round().astype(int):
        for row in range(rows):
            for column in range(columns):
                top, left = (_start(*axis) for axis in ((row, rows, height), (column, columns, width)))
                found.append((int(page), top, left))
    return found


def _start(index: int, count: int, length: int) -> int:
    """Return where the tile in the middle of part `index` of `count` starts."""
    middle = (2 * index + 1) * length // (2 * count)
    return max(0, min(middle - SIDE // 2, length - SIDE))


def _tile(frames: Frames, page: int, top: int, left: int) -> np.ndarray:
    """Return (1, 3, h, w)."""
    channels = frames.shape[1]
    tile = frames.read(page, slice(top, top + SIDE), slice(left, left + SIDE))
    return tile[:, :3] if channels >= 3 else tile[:, :1].repeat(3, axis=1)


def _is_dead(tile: np.ndarray) -> bool:
    at_bounds = ((tile == 0) | (tile == 1)).all(axis=1).mean()
    equal = (tile[..., 1:] == tile[..., :-1]).all(axis=1)
    return bool(at_bounds > MOST_AT_BOUNDS or (equal.size and equal.mean() > MOST_EQUAL))


@functools.cache
def reader(threads: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return what reads (levels, spreads), both (N,), from tiles (N, 3, H, W).

    Raises:
        PellucidError: if the network is missing or broken.
    """
    found = weights.find(NETWORK) if NETWORK in weights.cards() else None
    if found is None or found.onnx is None:
        raise PellucidError(
            f"{NETWORK}, which estimates the noise level, is missing: give a level, or {weights.REINSTALL}"
        )
    file = read_onnx(found.onnx, "estimate", found.sha256(found.onnx))
    run = Session(found.onnx, file, threads)

    def read(tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        level, spread = run(file.inputs(padded(tiles, file.input_spec.multiple_of, LEAST_SIDE)))
        return level, spread

    return read
