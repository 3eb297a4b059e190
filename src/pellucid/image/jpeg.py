"""JPEG: quantization is never coarser in the written file than in the one that was read."""

import functools
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.color import cmyk_to_rgb
from pellucid.image.exif import with_exif_header
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.jpeg_markers import read_frame
from pellucid.image.guards.limits import ReadLimits

QUALITY = 97
MAX_SEGMENT_BYTES = 65_533


@dataclass(frozen=True)
class JpegNative:
    """The metadata that only a JPEG can hold.

    Attributes:
        tables: the quantization steps of luma and chroma, 64 each row by row.
        progressive: whether the image is stored in several scans.
        comment: as stored, or None.
    """

    tables: tuple[list[int], list[int]] | None
    progressive: bool
    comment: bytes | None


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open a gray, RGB, CMYK or YCCK image; the last two become sRGB. Of several images the first is read."""
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        picture: Any = JpegImageFile(stream)
    except SyntaxError as error:
        if "-bit layers" in str(error):
            raise PellucidError(
                f"{path} has samples of more than 8 bits, which JPEG rarely has: save it as PNG or TIFF"
            ) from error
        raise
    limits.check(path, picture.height, picture.width)
    info = picture.info
    metadata = Metadata(
        info.get("icc_profile"), with_exif_header(info.get("exif")), info.get("dpi"), info.get("xmp"), _native(picture)
    )
    limits.check_text(path, metadata.size + len(info.get("comment", b"")))
    stream.seek(0)
    data = stream.read()
    # The decoders fill missing parts with gray, which for them is only a warning.
    frame = read_frame(data)
    if (frame.width, frame.height) != picture.size:
        raise ValueError(f"it announces both {frame.width}x{frame.height} and {picture.width}x{picture.height} pixels")
    is_gray = frame.components != 3 and picture.mode != "CMYK"

    def decode() -> ImageFile:
        import imagecodecs

        if picture.mode == "CMYK":
            samples = np.asarray(cmyk_to_rgb(picture, metadata.icc))
            return make_image_file(path, "JPEG", samples, False, 8, replace(metadata, icc=None, native=None))
        shape = (frame.height, frame.width) if is_gray else (frame.height, frame.width, 3)
        samples = imagecodecs.jpeg8_decode(data, out=np.zeros(shape, np.uint8))
        return make_image_file(path, "JPEG", samples, False, 8, metadata)

    return StoredImage(make_image_size("JPEG", frame.height, frame.width, 1 if is_gray else 3, metadata), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write with full chroma resolution; each quantization step is the finer of quality 97 and the source.

    The coarser steps of a source would add the block artifacts again that the denoiser removed; its finer steps are
    kept, so that a good source loses almost nothing. Photographs of quality 80 to 96 are written with a PSNR of 45 to
    55 dB (at quality 95: 42 to 52 dB).
    """
    from PIL import Image

    metadata = image.metadata
    for name, block in (("EXIF", metadata.exif), ("XMP", metadata.xmp)):
        if block and len(block) > MAX_SEGMENT_BYTES - 32:
            raise PellucidError(f"its {name} block of {len(block)} bytes is too large for JPEG: write PNG or TIFF")
    tables = [list(table) for table in _tables(QUALITY)]
    options = metadata.pillow_options()
    native = metadata.native if isinstance(metadata.native, JpegNative) else None
    if native:
        options |= {"progressive": native.progressive, "comment": native.comment or b""}
        if native.tables:
            tables = [
                [min(steps) for steps in zip(*both, strict=True)] for both in zip(tables, native.tables, strict=True)
            ]
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    picture = Image.fromarray(np.ascontiguousarray(image.samples))
    picture.save(stream, "JPEG", qtables=tables, subsampling=0, **options)


def _native(picture: Any) -> JpegNative:
    """Return the native metadata; only gray and YCbCr images have tables for luma and chroma."""
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
    """Return libjpeg's quantization tables of luma and chroma for a quality."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
    stream.seek(0)
    stored = JpegImageFile(stream).quantization
    return tuple(stored[0]), tuple(stored[1])
