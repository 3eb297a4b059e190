"""PNG files: every depth and color type, interlaced, animated, with chunks of all kinds."""

import itertools
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.random import Generator

from hostile_files.pictures import encoded, exif, picture, profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

Chunk = tuple[bytes, bytes]


def framed(kind: bytes, data: bytes) -> bytes:
    """Return a chunk as it is stored."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int = 8, color_type: int = 2, interlaced: int = 0) -> Chunk:
    """Return an IHDR chunk."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, interlaced)


def file_of(chunks: Iterable[Chunk]) -> bytes:
    """Return a file of these chunks and an end."""
    return SIGNATURE + b"".join(framed(*chunk) for chunk in (*chunks, (b"IEND", b"")))


def parts(png: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a file as far as they are whole."""
    place = len(SIGNATURE)
    while place + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, place)
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        place += 12 + size


def image(rng: Generator, width: int, height: int, depth: int, color_type: int, interlaced: int = 0) -> bytes:
    """Return compressed rows of random samples and filters (PNG 3, sections 7 to 9)."""
    bits = depth * CHANNELS[color_type]
    rows = []
    for top, left, down, across in PASSES if interlaced else ((0, 0, 1, 1),):
        columns = len(range(left, width, across))
        for _ in range(top, height, down) if columns else ():
            rows.append(bytes((int(rng.integers(5)),)) + rng.bytes(-(-columns * bits // 8)))
    return zlib.compress(b"".join(rows))


def _still(depth: int, color_type: int, interlaced: int = 0, *more: Chunk) -> Callable[[Generator], bytes]:
    def make(rng: Generator) -> bytes:
        width, height = (int(side) for side in rng.integers(9, 40, 2))
        palette = [(b"PLTE", rng.bytes(3 << depth))] if color_type == 3 else []
        first = [header(width, height, depth, color_type, interlaced), *palette, *more]
        return file_of([*first, (b"IDAT", image(rng, width, height, depth, color_type, interlaced))])

    return make


def _tagged(rng: Generator) -> bytes:
    chunks = dict(parts(encoded(picture(rng, "RGB"), "PNG", icc_profile=profile(), dpi=(300, 72))))
    text = b"Raw profile type exif\0\nexif\n%8d\n%s\n" % (len(exif(8)), exif(8).hex().encode())
    more = [
        (b"gAMA", struct.pack(">I", 45_455)),
        (b"eXIf", exif(6)[6:]),
        (b"tEXt", text),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"words " * 99)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x tiff:Orientation='6'/>")),
    ]
    body = chunks.pop(b"IDAT")
    chunks.pop(b"IEND")
    return file_of([*chunks.items(), *more, (b"IDAT", body)])


def _animated(mode: str) -> Callable[[Generator], bytes]:
    def make(rng: Generator) -> bytes:
        first = picture(rng, mode)
        others = [picture(rng, mode).resize(first.size) for _ in range(2)]
        options: dict[str, Any] = {"save_all": True, "append_images": others, "duration": 40, "loop": 2}
        return encoded(first, "PNG", **options)

    return make


def _split(rng: Generator) -> bytes:
    """Return an image in chunks of one to nine bytes, some of them empty."""
    body = image(rng, 20, 20, 8, 2)
    cuts = [0, *sorted(int(cut) for cut in rng.integers(0, len(body), len(body) // 5)), len(body)]
    return file_of([header(20, 20), *((b"IDAT", body[start:end]) for start, end in itertools.pairwise(cuts))])


MAKERS: dict[str, Callable[[Generator], bytes]] = {
    "one-bit": _still(1, 0),
    "two-bits": _still(2, 0, 1),
    "gray-16": _still(16, 0),
    "gray-alpha": _still(8, 4),
    "gray-alpha-16": _still(16, 4, 1),
    "color": _still(8, 2),
    "color-16": _still(16, 2),
    "color-16-interlaced": _still(16, 2, 1),
    "color-key": _still(8, 2, 0, (b"tRNS", bytes(6))),
    "alpha-16": _still(16, 6),
    "palette": _still(4, 3),
    "palette-alpha": _still(8, 3, 0, (b"tRNS", bytes(np.arange(0, 200, dtype=np.uint8)))),
    "palette-alpha-interlaced": _still(2, 3, 1, (b"tRNS", b"\0\x80")),
    "tagged": _tagged,
    "split": _split,
    "animated": _animated("RGB"),
    "animated-alpha": _animated("RGBA"),
    "animated-palette": _animated("P"),
}
