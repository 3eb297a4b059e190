"""The samples of a PNG, decoded from what its header announces: never more of it, never less.

libpng, which decodes them, would go on inflating what is behind the last row, and writes its warnings to standard
error. So it is given only chunks that it has nothing to say about, and the passes of an interlaced image as images of
their own, which they are (PNG 3, section 8).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The bits that a sample may have, and the samples of a pixel, by colour type.
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE = 3
KEY_LENGTHS = {0: 2, 2: 6}
# The first row and column of each pass of Adam7, and the steps between them.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
WHOLE = ((0, 0, 1, 1),)
AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Header:
    """What an IHDR chunk says; see `header_of`."""

    width: int
    height: int
    depth: int
    colour_type: int
    interlaced: bool

    def row_bytes(self, width: int) -> int:
        """Return the bytes of a row of so many pixels, its filter's included."""
        return 1 + -(-width * self.depth * CHANNELS[self.colour_type] // 8)

    def passes(self) -> Iterator[tuple[tuple[slice, slice], int, int]]:
        """Yield the rows and columns of each pass that has pixels, its width and its height."""
        for top, left, down, across in PASSES if self.interlaced else WHOLE:
            height, width = len(range(top, self.height, down)), len(range(left, self.width, across))
            if height and width:
                yield (slice(top, None, down), slice(left, None, across)), width, height


def header_of(data: bytes) -> Header:
    """Return the header that a file starts with.

    Raises:
        ValueError: if it is incomplete, or says what no PNG may.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ValueError("its header is incomplete")
    width, height, depth, colour_type, packing, filters, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if depth not in DEPTHS.get(colour_type, ()) or packing or filters or interlaced > 1:
        raise ValueError(f"its header says colour type {colour_type} of {depth} bits, interlaced in way {interlaced}")
    return Header(width, height, depth, colour_type, bool(interlaced))


def decode(png: bytes) -> np.ndarray:
    """Return the samples (H, W), or (H, W, C) with colours for a palette and alpha last, uint8 or uint16.

    Raises:
        ValueError: if a chunk or a row is missing or damaged.
    """
    import imagecodecs

    header = header_of(png)
    before, rows = _chunks(png, header)
    announced = sum(height * header.row_bytes(width) for _, width, height in header.passes())
    if not header.interlaced and _is_exact(rows, announced):
        return imagecodecs.png_decode(_file(header, header.width, header.height, before, rows))
    plain = _inflated(rows, announced)
    samples: np.ndarray | None = None
    place = 0
    for where, width, height in header.passes():
        end = place + height * header.row_bytes(width)
        packed = memoryview(zlib.compress(plain[place:end], 0))
        part = imagecodecs.png_decode(_file(header, width, height, before, [packed]))
        if samples is None:
            samples = np.zeros((header.height, header.width, *part.shape[2:]), part.dtype)
        samples[where] = part
        place = end
    if samples is None:
        raise ValueError("it has no pixels")
    return samples


def _file(header: Header, width: int, height: int, before: list[tuple[bytes, bytes]], rows: list[memoryview]) -> bytes:
    """Return a PNG that is not interlaced, of these compressed rows."""
    start = struct.pack(">IIBBBBB", width, height, header.depth, header.colour_type, 0, 0, 0)
    chunks = [(b"IHDR", start), *before, *((b"IDAT", part) for part in rows), (b"IEND", b"")]
    return SIGNATURE + b"".join(piece for kind, data in chunks for piece in framed(kind, data))


def framed(kind: bytes, data: bytes | memoryview) -> tuple[bytes, bytes, bytes | memoryview, bytes]:
    """Return the pieces of a chunk as it is stored."""
    return struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def _chunks(png: bytes, header: Header) -> tuple[list[tuple[bytes, bytes]], list[memoryview]]:
    """Return what stands before the image and says something of its samples, and the parts of the compressed image."""
    whole, place = memoryview(png), len(SIGNATURE)
    found: dict[bytes, bytes] = {}
    rows: list[memoryview] = []
    while place + 12 <= len(png):
        size, kind = int.from_bytes(whole[place : place + 4], "big"), png[place + 4 : place + 8]
        data, end = whole[place + 8 : place + 8 + size], place + 8 + size
        if rows and kind != b"IDAT":
            break
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            if end + 4 > len(png) or zlib.crc32(whole[place + 4 : end]) != int.from_bytes(whole[end : end + 4], "big"):
                raise ValueError(f"the checksum of its {kind.decode()} chunk is wrong")
            if kind == b"IDAT":
                rows.append(data)
            else:
                found.setdefault(kind, bytes(data))
        place = end + 4
    return _fitting(found, header), rows


def _fitting(found: dict[bytes, bytes], header: Header) -> list[tuple[bytes, bytes]]:
    """Return the palette, filled up with black, and the transparency, both only if they fit the colour type."""
    kept: list[tuple[bytes, bytes]] = []
    key = found.get(b"tRNS", b"")
    if header.colour_type == PALETTE:
        full, palette = 3 << header.depth, found.get(b"PLTE", b"")
        if not palette or len(palette) % 3:
            raise ValueError("its palette is missing or incomplete")
        kept.append((b"PLTE", palette[:full].ljust(full, b"\0")))
        key = key[: full // 3]
    elif len(key) != KEY_LENGTHS.get(header.colour_type):
        key = b""
    return [*kept, (b"tRNS", key)] if key else kept


def _pieces(rows: list[memoryview], most: int) -> Iterator[tuple[bytes, bool]]:
    """Yield what is inflated, at most so many bytes and one, each with whether it is the last and all ended well."""
    machine = zlib.decompressobj()
    for index, part in enumerate(rows):
        data: bytes | memoryview = part
        while most >= 0 and not machine.eof:
            try:
                piece = machine.decompress(data, min(most + 1, AT_ONCE))
            except zlib.error as error:
                raise ValueError(f"its image is damaged: {error}") from None
            data = machine.unconsumed_tail
            most -= len(piece)
            ended = machine.eof and not machine.unused_data and not any(map(len, rows[index + 1 :]))
            yield piece, ended
            if not data and len(piece) < AT_ONCE:
                break


def _is_exact(rows: list[memoryview], announced: int) -> bool:
    """Whether the compressed rows come to what is announced, and nothing is behind them."""
    length, well = 0, False
    for piece, ended in _pieces(rows, announced):
        length, well = length + len(piece), ended
    if length < announced:
        raise ValueError(f"its rows end after {length} of {announced} bytes")
    return well and length == announced


def _inflated(rows: list[memoryview], announced: int) -> bytes:
    plain = b"".join(piece for piece, _ in _pieces(rows, announced))[:announced]
    if len(plain) < announced:
        raise ValueError(f"its rows end after {len(plain)} of {announced} bytes")
    return plain
