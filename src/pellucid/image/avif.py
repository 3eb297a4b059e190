"""AVIF: read at its full depth if this Pillow knows it; 8 bits are written back, more become PNG."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import animation
from pellucid.image.exif import marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

QUALITY = 95
CONFIGURATION = b"av1C"
SEARCHED = 1 << 16  # the bytes in which the configuration lies
HIGH, TWELVE = 0x40, 0x20  # the flags of depth (AV1 in ISOBMFF, section 2.3.3)


def check_installed(path: Path) -> None:
    """Raise PellucidError unless Pillow was built with AVIF."""
    from PIL import features

    if not features.check("avif"):
        raise PellucidError(
            f'{path} is an AVIF image, which this Pillow cannot read: pip install "pillow>=11.3", or convert it to PNG'
        )


def depth(head: bytes) -> int:
    """Return the bits a sample has, 8, 10 or 12, from the start of a file."""
    flags = head.find(CONFIGURATION) + len(CONFIGURATION) + 2
    if CONFIGURATION not in head or flags >= len(head) or not head[flags] & HIGH:
        return 8
    return 12 if head[flags] & TWELVE else 10


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read an image, or a sequence of 8 bits; 10 and 12 bits are spread over 16."""
    check_installed(path)
    bits = depth(stream.read(SEARCHED))
    stream.seek(0)
    picture: Any = animation.opened(stream, "AVIF")
    count = picture.n_frames
    budget.check(path, picture.height, picture.width, count)
    info = picture.info
    metadata = Metadata(info.get("icc_profile"), marked(info.get("exif")), None, info.get("xmp"))
    budget.check_text(path, metadata.size)
    if count > 1:
        if bits > 8:
            raise PellucidError(
                f"{path} is a sequence of {bits} bits, which is not supported: save its frames one a file"
            )
        stream.seek(0)
        return animation.read(stream, path, "AVIF", budget, metadata)
    samples = np.asarray(picture) if bits == 8 else _deep(stream, bits, gray=picture.mode in ("L", "LA"))
    return finished(path, "AVIF", samples, picture.mode in ("LA", "RGBA"), bits, metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write at quality 95 with full chroma resolution; with alpha at 100, where alpha comes back to the bit."""
    from PIL import Image

    if sheet.is_stack:
        animation.write(stream, sheet, "AVIF")
        return
    metadata = sheet.metadata
    options: dict[str, Any] = {"icc_profile": metadata.icc or b"", "exif": metadata.exif or b""}
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    picture = Image.fromarray(np.ascontiguousarray(sheet.samples))
    subsampling = "4:0:0" if picture.mode == "L" else "4:4:4"
    quality = 100 if sheet.has_alpha else QUALITY
    picture.save(stream, "AVIF", quality=quality, subsampling=subsampling, **options)


def _deep(stream: BinaryIO, bits: int, gray: bool) -> np.ndarray:
    import imagecodecs

    stream.seek(0)
    samples = imagecodecs.avif_decode(stream.read())
    if gray and samples.ndim == 3:
        samples = samples[..., 0] if samples.shape[2] == 3 else samples[..., (0, 3)]
    return np.rint(samples * np.float32(65_535 / ((1 << bits) - 1))).astype(np.uint16)
