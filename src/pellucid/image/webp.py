"""WebP: still images decoded into the array itself, animations frame by frame; written without loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.image import animation
from pellucid.image.exif import marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

ANIMATED = 0x02


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read a still image or an animation, which is always in colour."""
    import imagecodecs

    head = stream.read(30)
    height, width = size_of(head)
    budget.check(path, height, width)
    found: dict[bytes, bytes] = {}
    frames = 0
    for kind, size in _chunks(stream):
        frames += kind == b"ANMF"
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            found[kind] = stream.read(size)
    metadata = Metadata(found.get(b"ICCP"), marked(found.get(b"EXIF")), None, found.get(b"XMP "))
    budget.check_text(path, metadata.size)
    stream.seek(0)
    if head[12:16] == b"VP8X" and head[20] & ANIMATED:
        budget.check(path, height, width, max(frames, 1))
        return animation.read(stream, path, "WebP", budget, metadata)
    samples = imagecodecs.webp_decode(stream.read())
    if samples.shape[:2] != (height, width):
        raise ValueError(f"its header says {width}x{height} pixels, its image {samples.shape[1]}x{samples.shape[0]}")
    return finished(path, "WebP", samples, samples.shape[2:] == (4,), 8, metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write without loss; what the denoiser kept is not for the codec to take."""
    from PIL import Image

    if sheet.is_stack:
        animation.write(stream, sheet, "WebP")
        return
    samples, metadata = sheet.samples, sheet.metadata
    if samples.shape[2:] == (2,):
        samples = samples[..., (0, 0, 0, 1)]
    options: dict[str, Any] = {"icc_profile": metadata.icc or b"", "exif": metadata.exif or b""}
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    picture = Image.fromarray(np.ascontiguousarray(samples))
    picture.save(stream, "WebP", lossless=True, exact=True, **options)


def size_of(head: bytes) -> tuple[int, int]:
    """Return (height, width) from the first 30 bytes (RFC 9649, sections 2.5 to 2.7)."""
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return int.from_bytes(head[28:30], "little") & 0x3FFF, int.from_bytes(head[26:28], "little") & 0x3FFF


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield each chunk's kind and size, the stream at its data; chunks start at even places."""
    end = stream.seek(0, 2)
    place = 12
    while place + 8 <= end:
        stream.seek(place)
        head = stream.read(8)
        size = int.from_bytes(head[4:], "little")
        if place + 8 + size > end:
            raise ValueError("its end is missing")
        yield head[:4], size
        place += 8 + size + size % 2
