"""The strips and tiles of a TIFF page, checked before they are decoded.

Each may be a whole image file of its own, whose header then says how large it gets, whatever the page says.
"""

import math
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pellucid.errors import PellucidError, TooLarge
from pellucid.image import webp
from pellucid.image.formats import Budget
from pellucid.image.guards import jpeg_markers

PLAIN = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000)  # bounded by what is asked of them
JPEG = (6, 7, 34892)
JPEG_2000 = (33003, 33004, 33005, 34712)
WEBP, PNG = (34927, 50001), (34933,)
CODESTREAM = re.compile(rb"\xff\x4f\xff\x51")
# What an image inside may be larger than the part of the page that it fills: blocks are filled up.
FILLED_UP = 64
# How much more may be decoded for the tiles of small pages than the pages hold.
PADDED = 4


def check_segments(path: Path, page: Any, stream: BinaryIO) -> None:
    """Refuse a page whose strips or tiles are missing, cannot be bounded, or hold more than their part of the page.

    Raises:
        PellucidError: for a compression that is not supported.
        ValueError: if some are missing, or larger than their place.
    """
    compression = int(page.compression)
    if compression not in (*PLAIN, *JPEG, *JPEG_2000, *WEBP, *PNG):
        name = getattr(page.compression, "name", compression)
        raise PellucidError(f"{path} is compressed as {name}, which is not supported: save it with LZW or deflate")
    number, named = math.prod(page.chunked), min(len(page.dataoffsets), len(page.databytecounts))
    if number != page.shaped[0] * math.prod(_grid(page)):
        raise ValueError(f"its planes are stored in way {page.planarconfig}, in {number} strips or tiles")
    if named < number:
        raise ValueError(f"{named} of its {number} strips or tiles are there")
    if compression in PLAIN:
        return
    width, height = place_of(page)
    for offset, count in zip(page.dataoffsets[:number], page.databytecounts, strict=False):
        if not count:
            continue
        stream.seek(offset)
        found = _size(compression, stream.read(count), page.jpegheader)
        if found[0] > height + FILLED_UP or found[1] > width + FILLED_UP:
            raise ValueError(f"a strip or tile of {width}x{height} pixels holds {found[1]}x{found[0]}")


def check_padding(path: Path, pages: Sequence[Any], budget: Budget) -> None:
    """Raise TooLarge if the tiles of all pages are together far larger than the pages may be."""
    total = sum(map(_padded_pixels, pages))
    if total > PADDED * budget.max_pixels:
        raise TooLarge(
            f"{path} is stored in tiles of {pages[0].tilewidth}x{pages[0].tilelength} pixels, together "
            f"{total / 1e6:.6g} megapixels, far more than its pages have: save it with smaller tiles"
        )


def _padded_pixels(page: Any) -> int:
    """Return how many pixels a page has once its tiles are whole; strips end where the page does."""
    if not page.is_tiled:
        return page.imagelength * page.imagewidth
    rows, columns = _grid(page)
    return rows * page.tilelength * columns * page.tilewidth


def _grid(page: Any) -> tuple[int, int]:
    """Return how many tiles, or strips, there are down and across each plane of a page."""
    if page.is_tiled:
        return math.ceil(page.imagelength / page.tilelength), math.ceil(page.imagewidth / page.tilewidth)
    return math.ceil(page.imagelength / page.rowsperstrip), 1


def place_of(page: Any) -> tuple[int, int]:
    """Return the width and the height of a tile, or of the greatest strip."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def _size(compression: int, data: bytes, jpeg_header: bytes | None) -> tuple[int, int]:
    """Return the height and width that the image in a strip or tile announces."""
    if compression in JPEG:
        frame = jpeg_markers.frame_of((jpeg_header or b"") + data, is_whole=False)
        return frame.height, frame.width
    if compression in WEBP:
        return webp.size_of(data[:30])
    if compression in PNG:
        height, width = struct.unpack_from(">II", data, 16)[::-1]
        return height, width
    sizes = [_codestream_size(data, found.start()) for found in CODESTREAM.finditer(data)]
    if not sizes:
        raise ValueError("it holds no JPEG 2000 image")
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def _codestream_size(data: bytes, start: int) -> tuple[int, int]:
    """Return (height, width) of a JPEG 2000 codestream (T.800, A.5.1): its reference grid, which bounds all of it."""
    width, height, left, top = struct.unpack_from(">IIII", data, start + 8)
    return height - min(top, height), width - min(left, width)
