"""PNM: bitmaps, graymaps and pixmaps, plain or raw, 8 or 16 bits (Pillow reduces 16-bit color to 8 bits)."""

import re
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.formats import (
    PNM_SIGNATURES,
    ImageData,
    ImageFile,
    Metadata,
    StoredImage,
    make_image_file,
    make_image_size,
)
from pellucid.image.guards.limits import ReadLimits

WHITESPACE = b" \t\n\v\f\r"
HEADER = rb"(?:\s|#[^\n]*\n)+([0-9]{1,9})"


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open P1 to P6; samples are scaled to the full range of their dtype where the header names another maximum."""
    head = stream.read(1 << 16)
    signature = head[:2]
    header = re.match(HEADER * (2 if signature in (b"P1", b"P4") else 3), head[2:])
    if not header:
        raise ValueError("its header is incomplete")
    width, height, maximum = (*map(int, header.groups()), 1)[:3]
    limits.check(path, height, width)
    if not 1 <= maximum <= 65_535:
        raise ValueError(f"its greatest value is {maximum}, not 1 to 65535")
    start = 2 + header.end() + 1
    channels = 3 if signature in (b"P3", b"P6") else 1

    def decode() -> ImageFile:
        stream.seek(start)
        samples = _samples(stream, signature, (height, width, 3)[: 2 + (channels == 3)], maximum)
        if signature in PNM_SIGNATURES[3:] and stream.read(2) in PNM_SIGNATURES:
            raise PellucidError(f"{path} holds several images, one is supported: save them one a file")
        full = 255 if maximum < 256 else 65_535
        if maximum != full:
            scaled = np.rint(np.minimum(samples, maximum) * (full / maximum))
            samples = scaled.astype(np.uint8 if full == 255 else np.uint16)
        return make_image_file(path, "PNM", samples, False, maximum.bit_length(), Metadata())

    return StoredImage(make_image_size("PNM", height, width, channels, Metadata()), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write P5 for gray and P6 for color."""
    samples = image.samples
    signature, maximum = ("P5" if samples.ndim == 2 else "P6"), np.iinfo(samples.dtype).max
    stream.write(f"{signature}\n{samples.shape[1]} {samples.shape[0]}\n{maximum}\n".encode())
    for row in samples:
        stream.write(row.astype(samples.dtype.newbyteorder(">")).tobytes())


def _samples(stream: BinaryIO, signature: bytes, shape: tuple[int, ...], maximum: int) -> np.ndarray:
    """Return the samples as stored, but inverted for bitmaps, where 1 is black."""
    height, width = shape[:2]
    if signature in (b"P5", b"P6"):
        return _read_array(stream, shape, np.uint8 if maximum < 256 else np.uint16)
    if signature == b"P4":
        packed = _read_array(stream, (height, -(-width // 8)), np.uint8)
        return 1 - np.unpackbits(packed, axis=1, count=width)
    # A "#" starts a comment up to the end of the line, also among the samples.
    body = re.sub(rb"#[^\n]*", b"", stream.read())
    count = int(np.prod(shape))
    digits = body.translate(None, WHITESPACE) if signature == b"P1" else body
    if count > (len(digits) if signature == b"P1" else (len(digits) + 1) // 2):
        raise ValueError(f"its {len(body)} bytes are too few for {count} samples")
    if signature == b"P1":
        values, maximum = np.frombuffer(digits, np.uint8, count) - ord("0"), 1
    else:
        values = np.array(body.split(maxsplit=count)[:count], dtype=np.uint32)
    if len(values) < count or values.max() > maximum:
        raise ValueError(f"it holds {len(values)} of {count} samples up to {values.max()}, not {maximum}")
    values = values.reshape(shape)
    return 1 - values if signature == b"P1" else values.astype(np.uint8 if maximum < 256 else np.uint16)


def _read_array(stream: BinaryIO, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Read big-endian samples directly into a new array."""
    samples = np.empty(shape, dtype)
    buffer = samples.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(buffer):
        count = stream.readinto(buffer[done:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"its samples end after {done} of {len(buffer)} bytes")
        done += count
    return samples if samples.dtype.itemsize == 1 else samples.byteswap(inplace=True)
