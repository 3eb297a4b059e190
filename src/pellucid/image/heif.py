"""HEIC and HEIF, if pillow-heif is installed: read and written at their full bit depth."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.exif import with_exif_header
from pellucid.image.formats import ImageData, ImageFile, Metadata, StoredImage, make_image_file, make_image_size
from pellucid.image.guards.limits import ReadLimits

QUALITY, LOSSLESS = 95, -1
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def import_heif(path: Path) -> ModuleType:
    """Return pillow-heif.

    Raises:
        PellucidError: if it is not installed.
    """
    try:
        return import_module("pillow_heif")
    except ImportError:
        raise PellucidError(
            f"{path} is a HEIC image: pip install pillow-heif to read it, or convert it to PNG"
        ) from None


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open the primary image, which libheif turns upright; 10 and 12 bits are scaled to 16."""
    container: Any = import_heif(path).open_heif(stream, convert_hdr_to_8bit=False)
    picture = container[container.primary_index]
    width, height = picture.size
    limits.check(path, height, width)
    info, mode = picture.info, picture.mode.partition(";")[0]
    metadata = Metadata(
        info.get("icc_profile"), with_exif_header(info.get("exif")), None, info.get("xmp"), info.get("chroma", 420)
    )
    limits.check_text(path, metadata.size)

    def decode() -> ImageFile:
        samples, bits = np.asarray(picture), info.get("bit_depth", 8)
        if samples.dtype == np.uint16:
            samples = np.rint((samples >> (16 - bits)) * np.float32(65_535 / _max_value(bits))).astype(np.uint16)
        return make_image_file(path, "HEIF", samples, mode in ("LA", "RGBA"), bits, metadata)

    return StoredImage(make_image_size("HEIF", height, width, 3 if mode.startswith("RGB") else 1, metadata), decode)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write at quality 95, with the bit depth and chroma resolution of the source.

    With alpha the image is written without loss, since alpha has to stay exact.
    """
    heif, metadata = import_heif(Path("the output")), image.metadata
    samples = np.ascontiguousarray(image.samples)
    mode, bits = MODES[1 if samples.ndim == 2 else samples.shape[2]], 8
    if samples.dtype == np.uint16:
        if not 8 < image.bit_depth <= 12:
            raise PellucidError("HEIC holds no more than 12 bits: write PNG or TIFF")
        mode, bits = mode + ";16", 12 if image.bit_depth > 10 else 10
        # The encoder drops the low bits, without rounding.
        samples = np.rint(samples * np.float32(_max_value(bits) / 65_535)).astype(np.uint16) << (16 - bits)
    options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    chroma = metadata.native if isinstance(metadata.native, int) else 444
    before, heif.options.SAVE_HDR_TO_12_BIT = heif.options.SAVE_HDR_TO_12_BIT, bits == 12
    try:
        heif.encode(
            mode,
            (samples.shape[1], samples.shape[0]),
            samples.tobytes(),
            stream,
            quality=LOSSLESS if image.has_alpha else QUALITY,
            chroma=chroma,
            **{name: block for name, block in options.items() if block},
        )
    finally:
        heif.options.SAVE_HDR_TO_12_BIT = before


def _max_value(bits: int) -> int:
    return (1 << bits) - 1
