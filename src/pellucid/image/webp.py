"""WebP: still images are decoded by imagecodecs, animations by Pillow; written without loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.image import animation
from pellucid.image.exif import with_exif_header
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

ANIMATED = 0x02


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open a still image or an animation; WebP is always RGB."""
    head = stream.read(30)
    height, width = read_size(head)
    limits.check(path, height, width)
    blocks: dict[bytes, bytes] = {}
    frames = 0
    for kind, size in _chunks(stream):
        frames += kind == b"ANMF"
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            blocks[kind] = stream.read(size)
    metadata = Metadata(blocks.get(b"ICCP"), with_exif_header(blocks.get(b"EXIF")), None, blocks.get(b"XMP "))
    limits.check_text(path, metadata.size)
    stream.seek(0)
    if head[12:16] == b"VP8X" and head[20] & ANIMATED:
        limits.check(path, height, width, max(frames, 1))
        return animation.open_image(stream, path, "WebP", limits, metadata)

    def decode() -> ImageFile:
        import imagecodecs

        samples = imagecodecs.webp_decode(stream.read())
        if samples.shape[:2] != (height, width):
            raise ValueError(
                f"its header says {width}x{height} pixels, its image {samples.shape[1]}x{samples.shape[0]}"
            )
        return make_image_file(path, "WebP", samples, samples.shape[2:] == (4,), 8, metadata)

    return StoredImage(make_image_size("WebP", height, width, 3, metadata), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write an image or an animation without loss."""
    from PIL import Image

    if image.is_stack:
        animation.write(stream, image, "WebP")
        return
    samples = image.samples
    if samples.shape[2:] == (2,):
        samples = samples[..., (0, 0, 0, 1)]
    picture = Image.fromarray(np.ascontiguousarray(samples))
    picture.save(stream, "WebP", lossless=True, exact=True, **image.metadata.pillow_options())


def read_size(head: bytes) -> tuple[int, int]:
    """Return (height, width) from the first 30 bytes of a file (RFC 9649, sections 2.5 to 2.7)."""
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return int.from_bytes(head[28:30], "little") & 0x3FFF, int.from_bytes(head[26:28], "little") & 0x3FFF


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the kind and the size of each chunk, with the stream at its data; chunks start at even positions."""
    end = stream.seek(0, 2)
    position = 12
    while position + 8 <= end:
        stream.seek(position)
        head = stream.read(8)
        size = int.from_bytes(head[4:], "little")
        if position + 8 + size > end:
            raise ValueError("its end is missing")
        yield head[:4], size
        position += 8 + size + size % 2
