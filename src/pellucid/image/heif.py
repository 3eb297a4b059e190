"""HEIC and HEIF, if pillow-heif is installed: read at their full depth, written back in kind."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.exif import marked
from pellucid.image.formats import Budget, ImageFile, Metadata, Sheet, finished

QUALITY = 95
SPREAD = {8: 1, 10: 64, 12: 16}  # the step between neighbouring samples in 16 bits
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
    samples = np.asarray(picture)
    info, mode = picture.info, picture.mode.partition(";")[0]
    metadata = Metadata(
        info.get("icc_profile"), marked(info.get("exif")), None, info.get("xmp"), info.get("chroma", 420)
    )
    return finished(path, "HEIF", samples, mode in ("LA", "RGBA"), info.get("bit_depth", 8), metadata)


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write at quality 95, with the depth and chroma resolution of the source, which its readers know to read."""
    heif, metadata = reader(Path("the output")), sheet.metadata
    samples = np.ascontiguousarray(sheet.samples)
    mode, bits = MODES[1 if samples.ndim == 2 else samples.shape[2]], 8
    if samples.dtype == np.uint16:
        mode, bits = mode + ";16", 12 if sheet.bit_depth > 10 else 10
        # The encoder drops the low bits; half a step more makes that a rounding.
        half = SPREAD[bits] // 2
        samples = np.minimum(samples, 65_535 - half) + np.uint16(half)
    options: dict[str, Any] = {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": metadata.icc}
    chroma = metadata.native if isinstance(metadata.native, int) else 444
    before, heif.options.SAVE_HDR_TO_12_BIT = heif.options.SAVE_HDR_TO_12_BIT, bits == 12
    try:
        heif.encode(
            mode,
            (samples.shape[1], samples.shape[0]),
            samples.tobytes(),
            stream,
            quality=QUALITY,
            chroma=chroma,
            **{name: block for name, block in options.items() if block},
        )
    finally:
        heif.options.SAVE_HDR_TO_12_BIT = before
