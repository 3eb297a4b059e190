"""TIFF files: strips and tiles, planes and pages, all common compressions, unusual samples."""

import io
import itertools
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tifffile
from numpy.random import Generator

from hostile_files.pictures import encoded, exif, picture, profile, samples, size

Maker = Callable[[Generator], bytes]
Entry = tuple[int, int, int, int | bytes]  # a tag, its type, its count, and its value or its bytes
OME_NAME = re.compile(rb"urn:uuid:[0-9a-f-]{36}")  # a random one in each file


def directories(*pages: Sequence[Entry], data: bytes = b"", order: str = "<", next_offset: int = 0) -> bytes:
    """Return a classic TIFF of these directories in a row; `data` starts at byte 8, values are at the end.

    The last directory names `next_offset` as the next.
    """
    start = 8 + len(data) + len(data) % 2
    lengths = [6 + 12 * len(entries) for entries in pages]
    places = list(itertools.accumulate(lengths, initial=start))
    body, values = bytearray(), bytearray()
    for index, entries in enumerate(pages):
        body += struct.pack(f"{order}H", len(entries))
        for tag, kind, count, value in entries:
            body += struct.pack(f"{order}HHI", tag, kind, count)
            if isinstance(value, bytes):
                body += struct.pack(f"{order}I", places[-1] + len(values))
                values += value + bytes(len(value) % 2)
            else:
                body += struct.pack(f"{order}H2x" if kind == 3 and count == 1 else f"{order}I", value)
        body += struct.pack(f"{order}I", places[index + 1] if index + 1 < len(pages) else next_offset)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return b"".join([head, data, bytes(len(data) % 2), body, values])


def plain(width: int, height: int, stored: int, **changed: int) -> list[Entry]:
    """Return the entries of a gray page of 8 bits in one strip of `stored` bytes at byte 8; `changed` ones by name."""
    named = {"compression": 1, "photometric": 1, "bits": 8, "channels": 1, "rows": height, "predictor": 1} | changed
    return [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, named["bits"]),
        (259, 3, 1, named["compression"]),
        (262, 3, 1, named["photometric"]),
        (273, 4, 1, 8),
        (277, 3, 1, named["channels"]),
        (278, 4, 1, named["rows"]),
        (279, 4, 1, stored),
        (317, 3, 1, named["predictor"]),
    ]


def _written(shape: Sequence[int], dtype: str = "u1", **options: Any) -> Maker:
    """Return a maker of what tifffile writes; a 0 in the shape is a random side."""

    def make(rng: Generator) -> bytes:
        sides = iter((*size(rng), *size(rng)))
        full = tuple(length or next(sides) for length in shape)
        values = samples(rng, *full).astype(dtype)
        values = values * np.array(257 if dtype == "u2" else 1 / 255 if dtype[0] == "f" else 1, dtype)
        stream = io.BytesIO()
        kept: dict[str, Any] = {"metadata": None} | options
        tifffile.imwrite(stream, values, **kept)
        return OME_NAME.sub(b"urn:uuid:" + b"0" * 36, stream.getvalue())

    return make


def _pillow(mode: str, count: int = 1, **options: Any) -> Maker:
    def make(rng: Generator) -> bytes:
        first = picture(rng, mode)
        more = [picture(rng, mode).resize(first.size) for _ in range(count - 1)]
        return encoded(first, "TIFF", **({"save_all": True, "append_images": more} if more else {}), **options)

    return make


def _not_numbers(rng: Generator) -> bytes:
    values = rng.random((20, 30)).astype(np.float32) * 40
    for value in (np.nan, np.inf, -np.inf, np.finfo(np.float32).max, np.float32(1e-42)):
        values[rng.integers(0, 20, 9), rng.integers(0, 30, 9)] = value
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, metadata=None)
    return stream.getvalue()


def _nothing_but_nan(rng: Generator) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.full((16, 16, 3), np.nan, rng.choice(["f2", "f4", "f8"])), photometric="rgb")
    return stream.getvalue()


def _tagged(rng: Generator) -> bytes:
    return encoded(picture(rng, "RGB"), "TIFF", exif=exif(5), icc_profile=profile(), dpi=(300, 72))


def _four_bits(rng: Generator) -> bytes:
    return directories(plain(8, 4, 16, bits=4), data=rng.bytes(16), order=str(rng.choice(["<", ">"])))


MAKERS: dict[str, Maker] = {
    "plain": _written((0, 0), "u2"),
    "lzw": _written((0, 0, 3), photometric="rgb", compression="lzw", predictor=True, rowsperstrip=5),
    "deflate-tiles": _written((0, 0, 3), "u2", photometric="rgb", compression="zlib", tile=(16, 32)),
    "packbits": _written((0, 0), compression="packbits", byteorder=">"),
    "zstd": _written((0, 0, 3), "f4", photometric="rgb", compression="zstd", predictor=True),
    "lzma": _written((0, 0), "u2", compression="lzma"),
    "jpeg": _written((0, 0, 3), photometric="rgb", compression="jpeg", tile=(16, 16)),
    "jpeg-gray": _written((0, 0), compression="jpeg", rowsperstrip=8),
    "jpeg-2000": _written((0, 0, 3), photometric="rgb", compression="jpeg2000", tile=(32, 32)),
    "webp": _written((0, 0, 3), photometric="rgb", compression="webp", tile=(32, 32)),
    "png": _written((0, 0), "u2", compression="png", rowsperstrip=16),
    "planes-16": _written((3, 0, 0), "u2", photometric="rgb", planarconfig="separate", compression="lzw"),
    "planes-16-tiles": _written((4, 0, 0), "u2", photometric="rgb", planarconfig="separate", tile=(16, 16)),
    "alpha-multiplied": _written((0, 0, 4), photometric="rgb", extrasamples=["assocalpha"]),
    "many-channels": _written((0, 0, 9), "f2", photometric="minisblack", planarconfig="contig"),
    "doubles": _written((0, 0), "f8", compression="zlib"),
    "pages": _written((4, 0, 0), photometric="minisblack", compression="lzw"),
    "pages-described": _written((4, 0, 0), photometric="minisblack", metadata={"axes": "ZYX"}),
    "imagej": _written((3, 0, 0), "u2", imagej=True, photometric="minisblack"),
    "ome": _written((3, 0, 0), ome=True, photometric="minisblack", metadata={"axes": "ZYX"}),
    "behind-one-page": _written((5, 0, 0), photometric="minisblack", metadata={"axes": "TYX"}, truncate=True),
    "big": _written((0, 0), bigtiff=True, compression="zlib"),
    "white-is-zero": _written((0, 0), photometric="miniswhite"),
    "not-numbers": _not_numbers,
    "nothing-but-nan": _nothing_but_nan,
    "tagged": _tagged,
    "four-bits": _four_bits,
    "one-bit": _pillow("1"),
    "fax": _pillow("1", compression="group4"),
    "fax-3": _pillow("1", compression="group3"),
    "palette": _pillow("P"),
    "cmyk": _pillow("CMYK", icc_profile=b"no profile"),
    "cmyk-pages": _pillow("CMYK", 2, compression="jpeg"),
    "ycbcr": _pillow("YCbCr", compression="jpeg"),
}
