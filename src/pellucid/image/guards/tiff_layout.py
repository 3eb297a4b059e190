"""Checks of a TIFF before tifffile reads it: its directories, and its strips and tiles.

A directory is a table of tags. Each tag names the position of its value, and the directory that of the next directory.
A hostile file can name the same megabyte a thousand times, or its first page as the next one. A strip or tile may be an
image file of its own, whose header says how large it gets, whatever the page says.
"""

import math
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pellucid.errors import PellucidError, TooLarge
from pellucid.image import webp
from pellucid.image.guards import jpeg_markers
from pellucid.image.guards.limits import ReadLimits

BIG = 43
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
KIND_OF_PAGE, SUBDIRECTORIES = 254, 330
MAX_SUBDIRECTORIES = 64
# A page may have reduced copies and masks.
MAX_COPIES_PER_PAGE, EXTRA_COPIES = 4, 64
# Pages may share a profile or a description, so all values together may be larger than the file.
SHARING_FACTOR, SHARING_BYTES = 4, 1 << 20
BOUNDED = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000)  # the codecs decode no more than they are asked for
JPEG = (6, 7, 34892)
JPEG_2000 = (33003, 33004, 33005, 34712)
WEBP, PNG = (34927, 50001), (34933,)
CODESTREAM = re.compile(rb"\xff\x4f\xff\x51")
# How much larger, in pixels, an image in a tile may be than the tile: blocks are padded.
FILL_PIXELS = 64
# How many times `max_pixels` all tiles together may have, with their padding.
MAX_PADDING_FACTOR = 4


@dataclass(frozen=True)
class _Layout:
    """The binary layout of the number of entries, of an entry, and of an offset in the file."""

    count: struct.Struct
    entry: struct.Struct
    offset: struct.Struct


def check_directories(stream: BinaryIO, path: Path, limits: ReadLimits) -> None:
    """Check the directories of all pages without reading their values.

    Args:
        stream: of the file.
        path: of the file, for errors.
        limits: on the number of pages.

    Raises:
        TooLarge: if there are more pages than allowed.
        ValueError: if a directory is missing or names an earlier one as the next, if the first page names more
            subdirectories than any real file, or if all values together are far larger than the file.
    """
    size = stream.seek(0, os.SEEK_END)
    layout, offset = _read_layout(stream)
    max_pages, copies = MAX_COPIES_PER_PAGE * limits.max_frames + EXTRA_COPIES, 0
    remaining = SHARING_FACTOR * size + SHARING_BYTES
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise ValueError(f"its page {len(seen)} names an earlier one as the next")
        if len(seen) >= max_pages:
            raise TooLarge(f"{path} holds more than {max_pages} pages and copies of them: split it into several files")
        seen.add(offset)
        entries, next_offset = _read_directory(stream, layout, offset)
        remaining -= _num_bytes(layout, entries)
        if remaining < 0:
            raise ValueError("the values of its tags are together far larger than the file")
        copies += any(tag == KIND_OF_PAGE and any(value) for tag, _, _, value in entries)
        if copies > MAX_COPIES_PER_PAGE * (len(seen) - copies) + EXTRA_COPIES:
            raise ValueError(f"{copies} of its {len(seen)} pages are copies or masks")
        if len(seen) == 1:
            _check_subdirectories(stream, layout, entries, remaining)
        offset = next_offset


def _read_layout(stream: BinaryIO) -> tuple[_Layout, int]:
    """Return the layout of a file and the offset of its first directory."""
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", head, 2)[0] == BIG:
        layout = _Layout(*(struct.Struct(order + code) for code in ("Q", "HHQ8s", "Q")))
        return layout, layout.offset.unpack_from(head, 8)[0]
    layout = _Layout(*(struct.Struct(order + code) for code in ("H", "HHI4s", "I")))
    return layout, layout.offset.unpack_from(head, 4)[0]


def _read_directory(stream: BinaryIO, layout: _Layout, offset: int) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """Return the entries of a directory, (tag, type, count, value or its offset), and the offset of the next one."""
    stream.seek(offset)
    try:
        (count,) = layout.count.unpack(stream.read(layout.count.size))
        if count > 1 << 16:
            raise ValueError(f"a page at byte {offset} has {count} tags")
        table = stream.read(count * layout.entry.size)
        (next_offset,) = layout.offset.unpack(stream.read(layout.offset.size))
    except struct.error:
        raise ValueError(f"a page at byte {offset} is missing") from None
    return list(layout.entry.iter_unpack(table)), next_offset


def _num_bytes(layout: _Layout, entries: list[tuple[int, int, int, bytes]]) -> int:
    """Return the bytes of a directory and of the values outside of it."""
    sizes = [count * TYPE_SIZES.get(kind, 1) for _, kind, count, _ in entries]
    return len(entries) * layout.entry.size + sum(size for size in sizes if size > layout.offset.size)


def _check_subdirectories(
    stream: BinaryIO, layout: _Layout, entries: list[tuple[int, int, int, bytes]], remaining: int
) -> None:
    """Check the subdirectories of the first page, in which a camera raw file may keep its image."""
    for tag, _, count, value in entries:
        if tag != SUBDIRECTORIES:
            continue
        if count > MAX_SUBDIRECTORIES:
            raise ValueError(f"its first page names {count} directories below it")
        offsets = [layout.offset.unpack(value)[0]]
        if count > 1:
            stream.seek(offsets[0])
            data = stream.read(count * layout.offset.size)
            complete = data[: len(data) - len(data) % layout.offset.size]
            offsets = [offset for (offset,) in layout.offset.iter_unpack(complete)]
        for offset in offsets:
            remaining -= _num_bytes(layout, _read_directory(stream, layout, offset)[0])
        if remaining < 0:
            raise ValueError("the values of its tags are together far larger than the file")


def check_segments(path: Path, page: Any, stream: BinaryIO) -> None:
    """Check that the strips or tiles of a page are there, of a supported compression, and not too large.

    Args:
        path: of the file, for errors.
        page: a `tifffile.TiffPage`.
        stream: of the file.

    Raises:
        PellucidError: if the compression is not supported.
        ValueError: if some are missing or too large.
    """
    compression = int(page.compression)
    if compression not in (*BOUNDED, *JPEG, *JPEG_2000, *WEBP, *PNG):
        name = getattr(page.compression, "name", compression)
        raise PellucidError(f"{path} is compressed as {name}, which is not supported: save it with LZW or deflate")
    expected, num_listed = math.prod(page.chunked), min(len(page.dataoffsets), len(page.databytecounts))
    if expected != page.shaped[0] * math.prod(_grid(page)):
        raise ValueError(f"its planar configuration is {page.planarconfig}, with {expected} strips or tiles")
    if num_listed < expected:
        raise ValueError(f"{num_listed} of its {expected} strips or tiles are there")
    if compression in BOUNDED:
        return
    width, height = segment_size(page)
    for offset, count in zip(page.dataoffsets[:expected], page.databytecounts, strict=False):
        if not count:
            continue
        stream.seek(offset)
        rows, columns = _announced_size(compression, stream.read(count), page.jpegheader)
        if rows > height + FILL_PIXELS or columns > width + FILL_PIXELS:
            raise ValueError(f"a strip or tile of {width}x{height} pixels holds {columns}x{rows}")


def check_padding(path: Path, pages: Sequence[Any], limits: ReadLimits) -> None:
    """Raise TooLarge if the tiles of all pages together, with their padding, have far more than `limits.max_pixels`."""
    total = sum(map(_padded_pixels, pages))
    if total > MAX_PADDING_FACTOR * limits.max_pixels:
        raise TooLarge(
            f"{path} is stored in tiles of {pages[0].tilewidth}x{pages[0].tilelength} pixels, together "
            f"{total / 1e6:.6g} megapixels, far more than its pages have: save it with smaller tiles"
        )


def _padded_pixels(page: Any) -> int:
    """Return the number of pixels of a page with the padding of its tiles; strips have none."""
    if not page.is_tiled:
        return page.imagelength * page.imagewidth
    rows, columns = _grid(page)
    return rows * page.tilelength * columns * page.tilewidth


def _grid(page: Any) -> tuple[int, int]:
    """Return the number of tiles or strips of a plane of a page, as (rows, columns)."""
    if page.is_tiled:
        return math.ceil(page.imagelength / page.tilelength), math.ceil(page.imagewidth / page.tilewidth)
    return math.ceil(page.imagelength / page.rowsperstrip), 1


def segment_size(page: Any) -> tuple[int, int]:
    """Return (width, height) of a tile or of the largest strip in pixels."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, min(page.rowsperstrip, page.imagelength)


def _announced_size(compression: int, data: bytes, jpeg_header: bytes | None) -> tuple[int, int]:
    """Return (height, width) from the header of the image in a strip or tile."""
    if compression in JPEG:
        frame = jpeg_markers.read_frame((jpeg_header or b"") + data, is_whole=False)
        return frame.height, frame.width
    if compression in WEBP:
        return webp.read_size(data[:30])
    if compression in PNG:
        height, width = struct.unpack_from(">II", data, 16)[::-1]
        return height, width
    sizes = [_codestream_size(data, match.start()) for match in CODESTREAM.finditer(data)]
    if not sizes:
        raise ValueError("it holds no JPEG 2000 image")
    return max(height for height, _ in sizes), max(width for _, width in sizes)


def _codestream_size(data: bytes, start: int) -> tuple[int, int]:
    """Return (height, width) of a JPEG 2000 codestream from its reference grid (T.800, A.5.1)."""
    width, height, left, top = struct.unpack_from(">IIII", data, start + 8)
    return height - min(top, height), width - min(left, width)
