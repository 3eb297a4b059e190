"""HEIC and HEIF, if pillow-heif is installed: read at their full depth, written back in kind."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.exif import marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

QUALITY, LOSSLESS = 95, -1
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def reader(path: Path) -> ModuleType:
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


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read the primary image, which libheif has turned upright; 10 and 12 bits are spread over 16."""
    container: Any = reader(path).open_heif(stream, convert_hdr_to_8bit=False)
    picture = container[container.primary_index]
    width, height = picture.size
    budget.check(path, height, width)
    info, mode = picture.info, picture.mode.partition(";")[0]
    metadata = Metadata(
        info.get("icc_profile"), marked(info.get("exif")), None, info.get("xmp"), info.get("chroma", 420)
    )
    budget.check_text(path, metadata.size)
    samples, bits = np.asarray(picture), info.get("bit_depth", 8)
    if samples.dtype == np.uint16:
        samples = np.rint((samples >> (16 - bits)) * np.float32(65_535 / _top(bits))).astype(np.uint16)
    return finished(path, "HEIF", samples, mode in ("LA", "RGBA"), bits, metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write at quality 95, with the depth and chroma resolution of the source, which its readers know to read.

    With alpha, nothing is lost, since it has to come back to the bit.
    """
    heif, metadata = reader(Path("the output")), sheet.metadata
    samples = np.ascontiguousarray(sheet.samples)
    mode, bits = MODES[1 if samples.ndim == 2 else samples.shape[2]], 8
    if samples.dtype == np.uint16:
        if not 8 < sheet.bit_depth <= 12:
            raise PellucidError("HEIC holds no more than 12 bits: write PNG or TIFF")
        mode, bits = mode + ";16", 12 if sheet.bit_depth > 10 else 10
        # The encoder drops the low bits, without rounding.
        samples = np.rint(samples * np.float32(_top(bits) / 65_535)).astype(np.uint16) << (16 - bits)
    options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    chroma = metadata.native if isinstance(metadata.native, int) else 444
    before, heif.options.SAVE_HDR_TO_12_BIT = heif.options.SAVE_HDR_TO_12_BIT, bits == 12
    try:
        heif.encode(
            mode,
            (samples.shape[1], samples.shape[0]),
            samples.tobytes(),
            stream,
            quality=LOSSLESS if sheet.has_alpha else QUALITY,
            chroma=chroma,
            **{name: block for name, block in options.items() if block},
        )
    finally:
        heif.options.SAVE_HDR_TO_12_BIT = before


def _top(bits: int) -> int:
    return (1 << bits) - 1
