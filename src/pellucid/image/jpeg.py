"""JPEG: decoded into the array itself, written at least as finely as it was stored."""

import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.color import cmyk_to_rgb
from pellucid.image.exif import marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished
from pellucid.image.guards.jpeg_markers import frame_of

QUALITY = 97
MOST_IN_SEGMENT = 65_533


@dataclass(frozen=True)
class JpegNative:
    """What another JPEG takes back.

    Attributes:
        tables: the quantisation steps of luma and chroma, 64 each in rows.
        progressive: whether the image was stored in several scans.
        comment: as stored, or None.
    """

    tables: tuple[list[int], list[int]] | None
    progressive: bool
    comment: bytes | None


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read gray, RGB, CMYK and YCCK images; the last two become sRGB. Of several pictures the first is read."""
    import imagecodecs
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        picture: Any = JpegImageFile(stream)
    except SyntaxError as error:
        if "-bit layers" in str(error):
            raise PellucidError(
                f"{path} has samples of more than 8 bits, which JPEG rarely has: save it as PNG or TIFF"
            ) from error
        raise
    budget.check(path, picture.height, picture.width)
    info = picture.info
    metadata = Metadata(
        info.get("icc_profile"), marked(info.get("exif")), info.get("dpi"), info.get("xmp"), _native(picture)
    )
    budget.check_text(path, metadata.size + len(info.get("comment", b"")))
    stream.seek(0)
    data = stream.read()
    # The decoders fill what is missing with gray, and call it a warning.
    frame = frame_of(data)
    if (frame.width, frame.height) != picture.size:
        raise ValueError(f"it announces both {frame.width}x{frame.height} and {picture.width}x{picture.height} pixels")
    if picture.mode == "CMYK":
        samples = np.asarray(cmyk_to_rgb(picture, metadata.icc))
        metadata = Metadata(None, metadata.exif, metadata.dpi, metadata.xmp)
    else:
        shape = (frame.height, frame.width, 3) if frame.components == 3 else (frame.height, frame.width)
        samples = imagecodecs.jpeg8_decode(data, out=np.zeros(shape, np.uint8))
    return finished(path, "JPEG", samples, False, 8, metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write with full chroma resolution, each quantisation step the finer of quality 97's and the source's.

    Denoised samples are no longer those that the source's tables were chosen for: coarser steps would put blocks back
    that the denoiser took out, finer ones are kept, so that a good source loses nothing to speak of. Photographs of
    quality 80 to 96 written back so measure 45 to 55 dB against what was to be written (at quality 95: 42 to 52).
    """
    from PIL import Image

    metadata = sheet.metadata
    for name, block in (("EXIF", metadata.exif), ("XMP", metadata.xmp)):
        if block and len(block) > MOST_IN_SEGMENT - 32:
            raise PellucidError(f"its {name} block of {len(block)} bytes is too large for JPEG: write PNG or TIFF")
    tables = [list(table) for table in _tables(QUALITY)]
    options: dict[str, Any] = {"icc_profile": metadata.icc or b"", "exif": metadata.exif or b""}
    native = metadata.native if isinstance(metadata.native, JpegNative) else None
    if native:
        options |= {"progressive": native.progressive, "comment": native.comment or b""}
        if native.tables:
            tables = [
                [min(pair) for pair in zip(*both, strict=True)] for both in zip(tables, native.tables, strict=True)
            ]
    if metadata.xmp:
        options["xmp"] = metadata.xmp
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    picture = Image.fromarray(np.ascontiguousarray(sheet.samples))
    picture.save(stream, "JPEG", qtables=tables, subsampling=0, **options)


def _native(picture: Any) -> JpegNative:
    """Take the tables of gray and YCbCr images; those of other colours say nothing about luma and chroma."""
    tables = None
    stored, info = picture.quantization, picture.info
    if picture.mode in ("L", "RGB") and info.get("adobe_transform", 1) == 1:
        used = [stored.get(component[3]) for component in picture.layer]
        if used and all(table is not None and len(table) == 64 for table in used):
            chroma = used[1:] or used
            tables = (list(used[0]), [min(steps) for steps in zip(*chroma, strict=True)])
    return JpegNative(tables, bool(info.get("progressive")), info.get("comment"))


@functools.cache
def _tables(quality: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return libjpeg's tables of luma and chroma at a quality."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
    stream.seek(0)
    stored = JpegImageFile(stream).quantization
    return tuple(stored[0]), tuple(stored[1])
