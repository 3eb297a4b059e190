"""Cover a large image with overlapping tiles, and blend their outputs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.errors import UsageError

BLEND = 32


@dataclass(frozen=True, eq=False)
class Tile:
    """One tile: rows `top` to `bottom` and columns `left` to `right` of the image, and its weights in the result.

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

    @property
    def rows(self) -> slice:
        """The rows of the image."""
        return slice(self.top, self.bottom)

    @property
    def columns(self) -> slice:
        """The columns of the image."""
        return slice(self.left, self.right)

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return the tile's part of an image (..., H, W), as a view."""
        return image[..., self.rows, self.columns]

    def transposed(self) -> "Tile":
        """Return the same tile of the image with rows and columns swapped."""
        return Tile(self.left, self.right, self.top, self.bottom, self.column_weights, self.row_weights)


def plan(height: int, width: int, tile: int, overlap: int, multiple_of: int = 1) -> tuple[Tile, ...]:
    """Cover an image with tiles, row by row; at every pixel their weights sum to 1.

    Tiles start at multiples of `multiple_of`, so networks with strides see the same grid as in the whole image. There
    are as few tiles as `tile` allows, and they are as small as that number allows. All have one size except the last of
    an axis, which ends with the image (like the whole image, it may need padding to `multiple_of`). An axis no longer
    than `tile` is one tile.

    At each inner edge, at least a third of the overlap has weight 0 and serves as context only. The middle, a third of
    the overlap but no more than 32 pixels, is blended. So the result equals that of the whole image if the network's
    receptive field reaches no further than `overlap // 3` pixels.

    Args:
        height: the height of the image in pixels.
        width: the width of the image in pixels.
        tile: the largest side of a tile in pixels, a multiple of `multiple_of`.
        overlap: the least number of pixels that adjacent tiles share; `tile - overlap` is at least `multiple_of`.
        multiple_of: as in the model's `InputSpec`.

    Raises:
        UsageError: if the sizes do not fit each other.
    """
    if height < 1 or width < 1:
        raise UsageError(f"cannot tile an image of {height}x{width} pixels: give one with at least 1x1")
    if multiple_of < 1 or tile < multiple_of or tile % multiple_of:
        raise UsageError(f"tile={tile} is not a positive multiple of {multiple_of}, which the model needs: round it")
    if not 0 <= overlap <= tile - multiple_of:
        raise UsageError(
            f"overlap={overlap} does not fit tiles of {tile} pixels: give 0 to {tile - multiple_of}, or larger tiles"
        )
    rows = _tile_spans(height, tile, overlap, multiple_of)
    columns = _tile_spans(width, tile, overlap, multiple_of)
    return tuple(
        Tile(top, bottom, left, right, row_weights, column_weights)
        for top, bottom, row_weights in rows
        for left, right, column_weights in columns
    )


def pad_planes(planes: np.ndarray, multiple_of: int, minimum: int = 1) -> np.ndarray:
    """Return images (..., H, W), padded by reflection at the bottom and the right to a size that a model accepts.

    Args:
        planes: the images.
        multiple_of: height and width become a multiple of this.
        minimum: the least height and width.
    """
    sides = [max(-(-length // multiple_of), -(-minimum // multiple_of)) * multiple_of for length in planes.shape[-2:]]
    padding = [(0, side - length) for side, length in zip(sides, planes.shape[-2:], strict=True)]
    if not any(after for _, after in padding):
        return planes
    return np.pad(planes, [(0, 0)] * (planes.ndim - 2) + padding, mode="reflect")


def by_columns(tiles: Iterable[Tile]) -> list[Tile]:
    """Return the tiles of a plan column by column: for images wider than high, whose columns are shorter."""
    return sorted(tiles, key=lambda tile: (tile.left, tile.top))


def stitch(
    tiles: Sequence[Tile], outputs: Iterable[np.ndarray], columns: bool = False
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Blend the outputs of tiles, and yield the rows of the image as soon as they are done.

    No more than one row of tiles is in memory, so the image may be larger than the memory.

    Args:
        tiles: the tiles of one plan, in the order of `plan` or of `by_columns`.
        outputs: (..., h, w) floats, one for each tile, in its size.
        columns: whether the tiles are in the order of `by_columns`; then columns are returned instead of rows.

    Yields:
        (first row, the row after the last, float32 (..., rows, width)), from the top of the image to its bottom; or
        (first column, the column after the last, float32 (..., height, columns)), from the left to the right.

    Raises:
        ValueError: if the number or the sizes of the outputs differ from those of the tiles.
    """
    if columns:
        transposed = [tile.transposed() for tile in tiles]
        for start, stop, band in stitch(transposed, (output.swapaxes(-1, -2) for output in outputs)):
            yield start, stop, band.swapaxes(-1, -2)
        return
    width = max((tile.right for tile in tiles), default=0)
    band, top = None, 0
    for tile, output in zip(tiles, outputs, strict=True):
        shape = (tile.bottom - tile.top, tile.right - tile.left)
        if output.shape[-2:] != shape:
            raise ValueError(f"the output of a tile is {output.shape[-2:]}, the tile {shape}: crop the padding first")
        if band is None or tile.top > top:
            below = np.zeros((*output.shape[:-2], shape[0], width), np.float32)
            if band is not None:
                rows = tile.top - top
                yield top, tile.top, band[..., :rows, :]
                below[..., : band.shape[-2] - rows, :] = band[..., rows:, :]
            band, top = below, tile.top
        part = band[..., tile.columns]
        part += output * tile.row_weights[:, None] * tile.column_weights
    if band is not None:
        yield top, top + band.shape[-2], band


def _tile_spans(length: int, tile: int, overlap: int, multiple_of: int) -> list[tuple[int, int, np.ndarray]]:
    """Return (start, stop, weights) of the tiles along one axis, evenly spread."""
    if length <= tile:
        return [(0, length, np.ones(length, np.float32))]
    # In cells of the grid: tiles are planned for the padded length, and the last one is cut at the end of the image.
    cells, overlap_cells = -(-length // multiple_of), -(-overlap // multiple_of)
    gaps = -(-(cells - tile // multiple_of) // (tile // multiple_of - overlap_cells))
    side = -(-(cells + gaps * overlap_cells) // (gaps + 1))
    starts = [index * (cells - side) // gaps * multiple_of for index in range(gaps + 1)]
    tile = side * multiple_of
    context = max(overlap // 3, (overlap - BLEND) // 2)
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
