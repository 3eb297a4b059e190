"""PNM: portable bitmaps, graymaps and pixmaps, plain or raw, 8 or 16 bits (Pillow cuts their 16-bit colour to 8)."""

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.formats import PNM_MARKS, Budget, ImageFile, Metadata, Sheet, finished

BLANKS = b" \t\n\v\f\r"
HEADER = rb"(?:\s|#[^\n]*\n)+([0-9]{1,9})"


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read P1 to P6; samples are spread over the dtype's whole range where the header names a lesser maximum."""
    head = stream.read(1 << 16)
    mark = head[:2]
    header = re.match(HEADER * (2 if mark in (b"P1", b"P4") else 3), head[2:])
    if not header:
        raise ValueError("its header is incomplete")
    width, height, top = (*map(int, header.groups()), 1)[:3]
    budget.check(path, height, width)
    if not 1 <= top <= 65_535:
        raise ValueError(f"its greatest value is {top}, not 1 to 65535")
    stream.seek(2 + header.end() + 1)
    shape = (height, width, 3) if mark in (b"P3", b"P6") else (height, width)
    samples = _samples(stream, mark, shape, top)
    if mark in PNM_MARKS[3:] and stream.read(2) in PNM_MARKS:
        raise PellucidError(f"{path} holds several images, one is supported: save them one a file")
    full = 255 if top < 256 else 65_535
    if top != full:
        samples = np.rint(np.minimum(samples, top) * (full / top)).astype(np.uint8 if full == 255 else np.uint16)
    return finished(path, "PNM", samples, False, top.bit_length(), Metadata())


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write P5 for gray and P6 for colour."""
    samples = sheet.samples
    mark, top = ("P5" if samples.ndim == 2 else "P6"), np.iinfo(samples.dtype).max
    stream.write(f"{mark}\n{samples.shape[1]} {samples.shape[0]}\n{top}\n".encode())
    for row in samples:
        stream.write(row.astype(samples.dtype.newbyteorder(">")).tobytes())


def _samples(stream: BinaryIO, mark: bytes, shape: tuple[int, ...], top: int) -> np.ndarray:
    """Return the samples as they are written, but for bitmaps, where a 1 is black."""
    height, width = shape[:2]
    if mark in (b"P5", b"P6"):
        return _filled(stream, shape, np.uint8 if top < 256 else np.uint16)
    if mark == b"P4":
        packed = _filled(stream, (height, -(-width // 8)), np.uint8)
        return 1 - np.unpackbits(packed, axis=1, count=width)
    # A "#" starts a comment up to the end of the line, among the samples too.
    body = re.sub(rb"#[^\n]*", b"", stream.read())
    count = int(np.prod(shape))
    digits = body.translate(None, BLANKS) if mark == b"P1" else body
    if count > (len(digits) if mark == b"P1" else (len(digits) + 1) // 2):
        raise ValueError(f"its {len(body)} bytes are too few for {count} samples")
    if mark == b"P1":
        bits = np.frombuffer(digits, np.uint8, count) - ord("0")
        values, top = bits, 1
    else:
        values = np.array(body.split(maxsplit=count)[:count], dtype=np.uint32)
    if len(values) < count or values.max() > top:
        raise ValueError(f"it holds {len(values)} of {count} samples up to {values.max()}, not {top}")
    values = values.reshape(shape)
    return 1 - values if mark == b"P1" else values.astype(np.uint8 if top < 256 else np.uint16)


def _filled(stream: BinaryIO, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Read big-endian samples into an array of their own."""
    samples = np.empty(shape, dtype)
    place = samples.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(place):
        count = stream.readinto(place[done:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"its samples end after {done} of {len(place)} bytes")
        done += count
    return samples if samples.dtype.itemsize == 1 else samples.byteswap(inplace=True)
