"""AVIF: read at its full bit depth if Pillow supports it; written with 8 bits, while deeper images become PNG."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import animation
from pellucid.image.exif import with_exif_header
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

QUALITY = 95
CONFIGURATION = b"av1C"
SEARCHED_BYTES = 1 << 16  # the configuration lies in the first so many bytes
HIGH, TWELVE = 0x40, 0x20  # the flags of depth (AV1 in ISOBMFF, section 2.3.3)


def check_installed(path: Path) -> None:
    """Raise PellucidError if Pillow was built without AVIF."""
    from PIL import features

    if not features.check("avif"):
        raise PellucidError(
            f'{path} is an AVIF image, which this Pillow cannot read: pip install "pillow>=11.3", or convert it to PNG'
        )


def read_bit_depth(head: bytes) -> int:
    """Return the bits per sample, 8, 10 or 12, from the first `SEARCHED_BYTES` of a file."""
    flags = head.find(CONFIGURATION) + len(CONFIGURATION) + 2
    if CONFIGURATION not in head or flags >= len(head) or not head[flags] & HIGH:
        return 8
    return 12 if head[flags] & TWELVE else 10


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open an image, or a sequence of 8 bits; 10 and 12 bits are scaled to 16."""
    check_installed(path)
    bits = read_bit_depth(stream.read(SEARCHED_BYTES))
    stream.seek(0)
    picture: Any = animation.open_picture(stream, "AVIF")
    count = picture.n_frames
    limits.check(path, picture.height, picture.width, count)
    info = picture.info
    metadata = Metadata(info.get("icc_profile"), with_exif_header(info.get("exif")), None, info.get("xmp"))
    limits.check_text(path, metadata.size)
    if count > 1:
        if bits > 8:
            raise PellucidError(
                f"{path} is a sequence of {bits} bits, which is not supported: save its frames one a file"
            )
        stream.seek(0)
        return animation.open_image(stream, path, "AVIF", limits, metadata)
    is_gray = picture.mode in ("L", "LA")

    def decode() -> ImageFile:
        samples = np.asarray(picture) if bits == 8 else _decode_deep(stream, bits, is_gray)
        return make_image_file(path, "AVIF", samples, picture.mode in ("LA", "RGBA"), bits, metadata)

    size = make_image_size("AVIF", picture.height, picture.width, 1 if is_gray else 3, metadata)
    return StoredImage(size, decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write at quality 95 with full chroma resolution; with alpha at 100, which keeps alpha exactly."""
    from PIL import Image

    if image.is_stack:
        animation.write(stream, image, "AVIF")
        return
    picture = Image.fromarray(np.ascontiguousarray(image.samples))
    subsampling = "4:0:0" if picture.mode == "L" else "4:4:4"
    quality = 100 if image.has_alpha else QUALITY
    picture.save(stream, "AVIF", quality=quality, subsampling=subsampling, **image.metadata.pillow_options())


def _decode_deep(stream: BinaryIO, bits: int, is_gray: bool) -> np.ndarray:
    import imagecodecs

    stream.seek(0)
    samples = imagecodecs.avif_decode(stream.read())
    if is_gray and samples.ndim == 3:
        samples = samples[..., 0] if samples.shape[2] == 3 else samples[..., (0, 3)]
    return np.rint(samples * np.float32(65_535 / ((1 << bits) - 1))).astype(np.uint16)
