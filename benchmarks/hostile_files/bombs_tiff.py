"""TIFF files that announce, repeat or hide far more than they hold."""

import json
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np

from hostile_files.valid_tiff import Entry, directories, plain

JPEG, DEFLATE, WEBP, PNG, JPEG_2000, ZSTD, LZMA = 7, 8, 50001, 34933, 34712, 50000, 34925


def _gigapixels() -> bytes:
    return directories(plain(2**32 - 1, 2**32 - 1, 16), data=bytes(16))


def _announcing() -> bytes:
    return directories(plain(15_000, 15_000, 16, compression=DEFLATE), data=zlib.compress(bytes(9)).ljust(16, b"\0"))


def _zeros() -> bytes:
    """Hold a megapixel in a kilobyte, as one strip."""
    packed = zlib.compress(bytes(1000 * 1000), 9)
    return directories(plain(1000, 1000, len(packed), compression=DEFLATE), data=packed)


def _inside(compression: int, packed: bytes, photometric: int = 1) -> bytes:
    """Let a strip of 16x16 pixels hold another file, of whatever size."""
    return directories(plain(16, 16, len(packed), compression=compression, photometric=photometric), data=packed)


def _large_jpeg_inside() -> bytes:
    packed = bytearray(imagecodecs.jpeg8_encode(np.zeros((16, 16), np.uint8)))
    struct.pack_into(">HH", packed, packed.index(b"\xff\xc0") + 5, 65_000, 65_000)
    return _inside(JPEG, bytes(packed))


def _large_webp_inside() -> bytes:
    packed = bytearray(imagecodecs.webp_encode(np.zeros((16, 16, 3), np.uint8), lossless=True))
    struct.pack_into("<I", packed, 21, 16_382 | 16_382 << 14)
    return _inside(WEBP, bytes(packed))


def _large_png_inside() -> bytes:
    packed = bytearray(imagecodecs.png_encode(np.zeros((16, 16), np.uint8)))
    struct.pack_into(">II", packed, 16, 900_000, 900_000)
    struct.pack_into(">I", packed, 29, zlib.crc32(packed[12:29]))
    return _inside(PNG, bytes(packed))


def _large_jpeg_2000_inside() -> bytes:
    packed = bytearray(imagecodecs.jpeg2k_encode(np.zeros((16, 16), np.uint8), codecformat="j2k"))
    place = packed.index(b"\xff\x51")
    struct.pack_into(">II", packed, place + 6, 60_000, 60_000)
    struct.pack_into(">II", packed, place + 22, 60_000, 60_000)
    return _inside(JPEG_2000, bytes(packed))


def _zstd_of_more() -> bytes:
    return _inside(ZSTD, bytes(imagecodecs.zstd_encode(bytes(1 << 27))))


def _deflate_of_more() -> bytes:
    return _inside(DEFLATE, zlib.compress(bytes(1 << 25), 9))


def _lzma_of_more() -> bytes:
    return _inside(LZMA, bytes(imagecodecs.lzma_encode(bytes(1 << 24))))


def _strips_missing() -> bytes:
    """Name one of sixteen strips."""
    return directories(plain(16, 16, 16, rows=1), data=bytes(range(16)))


def _tiles(side: int, width: int, height: int, count: int) -> list[Entry]:
    packed = zlib.compress(bytes(side * side), 9)
    sizes = struct.pack(f"<{count}I", *[len(packed)] * count)
    offsets = struct.pack(f"<{count}I", *[8] * count)
    kept = [entry for entry in plain(width, height, 0, compression=DEFLATE) if entry[0] not in (273, 278, 279)]
    return [*kept, (322, 4, 1, side), (323, 4, 1, side), (324, 4, count, offsets), (325, 4, count, sizes)]


def _large_tiles_on_small_pages() -> bytes:
    """Let a row of 2 million pixels be 2000 tiles of 1024x1024, all of the same bytes."""
    packed = zlib.compress(bytes(1024 * 1024), 9)
    return directories(_tiles(1024, 2_000_000, 1, 1954), data=packed)


def _circle() -> bytes:
    return directories(plain(16, 16, 256), plain(16, 16, 256), data=bytes(256), next_offset=8 + 256)


def _pages() -> bytes:
    """Hold ten thousand pages that are only marked as reduced copies."""
    return directories(plain(16, 16, 256), *[[(254, 4, 1, 1)]] * 10_000, data=bytes(256))


def _tags_of_shared_values() -> bytes:
    """Name the same megabyte as the value of four thousand tags."""
    data = bytes(1 << 20)
    tags = [struct.pack("<HHII", 40_000 + tag, 7, len(data), 8) for tag in range(4000)]
    return _with_raw_entries(data, tags)


def _pages_of_shared_values() -> bytes:
    """Name the same hundred thousand strips on each of two thousand pages."""
    count = 100_000
    data = bytes(4 * count)
    base = [entry for entry in plain(16, 16, 0) if entry[0] not in (273, 279)]
    raw = b"".join(struct.pack("<HHII", tag, 4, count, 8) for tag in (273, 279))
    entries = b"".join(struct.pack("<HHII", tag, kind, number, value) for tag, kind, number, value in base) + raw
    start, body = 8 + len(data), b""
    for _ in range(2000):
        body += struct.pack("<H", len(base) + 2) + entries
        body += struct.pack("<I", start + len(body) + 4)
    return b"II*\0" + struct.pack("<I", start) + data + body[:-4] + bytes(4)


def _with_raw_entries(data: bytes, raw: list[bytes]) -> bytes:
    base = plain(16, 16, 256)
    entries = [struct.pack("<HHII", tag, kind, number, value) for tag, kind, number, value in base]
    body = struct.pack("<H", len(entries) + len(raw)) + b"".join([*entries, *raw]) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + body


def _exif_of_shared_values() -> bytes:
    """Let the EXIF directory name the same megabyte as the value of sixty thousand tags."""
    data, count = bytes(1 << 20), 60_000
    entries = b"".join(struct.pack("<HHII", 1 + tag, 7, len(data), 8) for tag in range(count))
    directory = struct.pack("<H", count) + entries + bytes(4)
    return _with_raw_entries(data + directory, [struct.pack("<HHII", 0x8769, 4, 1, 8 + len(data))])


def _subdirectories() -> bytes:
    """Name two hundred thousand directories below the first."""
    count = 200_000
    places = struct.pack(f"<{count}I", *[8 + 4 * count] * count)
    base = plain(16, 16, 256)
    raw = [struct.pack("<HHII", tag, kind, number, value) for tag, kind, number, value in base]
    inner = struct.pack("<H", len(raw)) + b"".join(raw) + bytes(4)
    return _with_raw_entries(places + inner, [struct.pack("<HHII", 330, 4, count, 8)])


def _channels() -> bytes:
    """Hold 65,535 channels of 400 pixels, all zeros."""
    packed = zlib.compress(bytes(400 * 65_535), 9)
    return directories(plain(20, 20, len(packed), compression=DEFLATE, channels=65_535), data=packed)


def _described(text: str) -> bytes:
    value = text.encode() + b"\0"
    return directories([*plain(16, 16, 256), (270, 2, len(value), value)], data=bytes(256))


def _imagej_of_many() -> bytes:
    return _described("ImageJ=1.53\nimages=2000000000\nslices=2000000000\nhyperstack=true\n")


def _shaped_of_many() -> bytes:
    return _described(json.dumps({"shape": [2**31, 16, 16]}))


def _shaped_of_nothing() -> bytes:
    return _described(json.dumps({"shape": [0, -16, 16, "a"]}))


def _billion_laughs() -> bytes:
    """Nest entities in an OME description that expand to a billion texts."""
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return _described(f'<?xml version="1.0"?><!DOCTYPE OME [{entities}]><OME>&a9;</OME>'.ljust(400))


def _big_of_strips() -> bytes:
    """Announce 2 to the 61 strips in a BigTIFF."""
    entries = [
        (256, 4, 1, 16),
        (257, 4, 1, 16),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (273, 16, 2**61, 8),
        (279, 16, 2**61, 8),
    ]
    packed = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
    return b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + struct.pack("<Q", len(entries)) + packed + bytes(8)


MAKERS: dict[str, Callable[[], bytes]] = {
    "gigapixels": _gigapixels,
    "announcing": _announcing,
    "zeros": _zeros,
    "jpeg-inside": _large_jpeg_inside,
    "webp-inside": _large_webp_inside,
    "png-inside": _large_png_inside,
    "jpeg-2000-inside": _large_jpeg_2000_inside,
    "zstd-of-more": _zstd_of_more,
    "deflate-of-more": _deflate_of_more,
    "lzma-of-more": _lzma_of_more,
    "strips-missing": _strips_missing,
    "large-tiles": _large_tiles_on_small_pages,
    "circle": _circle,
    "pages": _pages,
    "tags-shared": _tags_of_shared_values,
    "pages-shared": _pages_of_shared_values,
    "exif-shared": _exif_of_shared_values,
    "subdirectories": _subdirectories,
    "channels": _channels,
    "imagej-many": _imagej_of_many,
    "shaped-many": _shaped_of_many,
    "shaped-nothing": _shaped_of_nothing,
    "billion-laughs": _billion_laughs,
    "big-strips": _big_of_strips,
}
