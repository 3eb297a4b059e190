"""Tiles of an image too large for one pass: a plan as plain data, and the weighted stitch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pellucid.errors import UsageError


@dataclass(frozen=True, eq=False)
class Tile:
    """One tile: rows `top` to `bottom` and columns `left` to `right` of the image, and its share in the result.

    Attributes:
        top: first row.
        bottom: the row after the last.
        left: first column.
        right: the column after the last.
        row_weights: (bottom - top,) float32; a pixel's weight is its row's times its column's.
        column_weights: (right - left,) float32.
    """

    top: int
    bottom: int
    left: int
    right: int
    row_weights: np.ndarray
    column_weights: np.ndarray

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return the tile's part of an image (..., H, W), as a view."""
        return image[..., self.top : self.bottom, self.left : self.right]


def plan(height: int, width: int, tile: int, overlap: int, multiple_of: int = 1) -> tuple[Tile, ...]:
    """Cover an image with tiles, row by row; at every pixel their weights sum to 1.

    Tiles start at multiples of `multiple_of`, so that networks with strides see the same grid as in the whole image,
    and are `tile` long, but for the last of an axis, which ends with the image (as the whole would, it may need padding
    to `multiple_of`). An axis no longer than `tile` is one tile.

    A third of the overlap at each inner edge has weight 0 and is context alone; the third between blends. So the
    result equals the whole image's where a network sees no further than `overlap // 3` pixels.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        tile: the side of a tile in pixels, a multiple of `multiple_of`.
        overlap: the least number of pixels that neighbours share; `tile - overlap` is at least `multiple_of`.
        multiple_of: as in the model's `InputSpec`.

    Raises:
        UsageError: for sizes that cannot be, with the remedy.
    """
    if height < 1 or width < 1:
        raise UsageError(f"cannot tile an image of {height}x{width} pixels: give one with at least 1x1")
    if multiple_of < 1 or tile < multiple_of or tile % multiple_of:
        raise UsageError(f"tile={tile} is not a positive multiple of {multiple_of}, which the model needs: round it")
    if not 0 <= overlap <= tile - multiple_of:
        raise UsageError(
            f"overlap={overlap} does not fit tiles of {tile} pixels: give 0 to {tile - multiple_of}, or larger tiles"
        )
    rows = _spans(height, tile, overlap, multiple_of)
    columns = _spans(width, tile, overlap, multiple_of)
    return tuple(
        Tile(top, bottom, left, right, row_weights, column_weights)
        for top, bottom, row_weights in rows
        for left, right, column_weights in columns
    )


def stitch(tiles: Iterable[Tile], outputs: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Blend the outputs of a plan's tiles into one image.

    Args:
        tiles: of one plan.
        outputs: (..., h, w) floats, one a tile in the same order, each shaped as its tile; a generator keeps only one
            of them in memory.
        height: of the image, as given to `plan`.
        width: of the image, as given to `plan`.

    Returns:
        (..., height, width) float32.

    Raises:
        ValueError: if the outputs are more, fewer, or of other sizes than the tiles.
    """
    whole = None
    for tile, output in zip(tiles, outputs, strict=True):
        shape = (tile.bottom - tile.top, tile.right - tile.left)
        if output.shape[-2:] != shape:
            raise ValueError(f"the output of a tile is {output.shape[-2:]}, the tile {shape}: crop the padding first")
        if whole is None:
            whole = np.zeros((*output.shape[:-2], height, width), np.float32)
        part = tile.crop(whole)
        part += output * tile.row_weights[:, None] * tile.column_weights
    if whole is None:
        raise ValueError("there are no tiles to stitch: plan them first")
    return whole


def _spans(length: int, tile: int, overlap: int, multiple_of: int) -> list[tuple[int, int, np.ndarray]]:
    """Return (start, stop, weights) of the tiles along one axis, evenly spread."""
    if length <= tile:
        return [(0, length, np.ones(length, np.float32))]
    # The last tile starts on the grid too: it is laid out for the padded length and cut at the image's end.
    room = -(-length // multiple_of) * multiple_of - tile
    step = (tile - overlap) // multiple_of * multiple_of
    gaps = -(-room // step)
    starts = [index * room // gaps // multiple_of * multiple_of for index in range(gaps + 1)]
    context = overlap // 3
    profiles = []
    for start in starts:
        stop = min(start + tile, length)
        profile = np.ones(stop - start)
        ramp = np.clip((np.arange(stop - start) + 0.5 - context) / max(overlap - 2 * context, 1), 0, 1)
        if start > 0:
            profile *= ramp
        if stop < length:
            profile *= ramp[::-1]
        profiles.append((start, stop, profile))
    total = np.zeros(length)
    for start, stop, profile in profiles:
        total[start:stop] += profile
    return [(start, stop, (profile / total[start:stop]).astype(np.float32)) for start, stop, profile in profiles]
