"""TIFF written: one image or a stack, stored as its source was, if that was without loss."""

from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from pellucid.image.formats import Sheet
from pellucid.image.tiff_tags import (
    DESCRIPTION,
    IMAGEJ,
    XMP,
    RawTag,
    append_directories,
    copied,
    directories_of,
    orientation_of,
    placeholders,
    resolution,
)

NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
LOSSLESS = {NONE: NONE, LZW: LZW, DEFLATE: DEFLATE, PACKBITS: PACKBITS, OLD_DEFLATE: DEFLATE, LZMA: LZMA, ZSTD: ZSTD}
WITHOUT_PREDICTOR = (NONE, PACKBITS)
CLASSIC = (1 << 32) - (1 << 25)  # the bytes of samples from which offsets need 64 bits


@dataclass(frozen=True)
class TiffNative:
    """What another TIFF takes back.

    Attributes:
        byte_order: "<" or ">", in which the tags are.
        compression: the code of a lossless kind; deflate where the source's was lossy or is rarely read.
        predictor: whether differences are stored.
        tile: (height, width) of the tiles, or None for strips.
        dtype: the samples' type in the file.
        resolution: two fractions and their unit, or None.
        tags: of every page, those that describe it.
        shape: of the arrangement that a description of the axes (ImageJ, OME, tifffile) speaks of, or None without one.
        is_imagej: whether uncompressed pages have to lie one behind the other.
    """

    byte_order: Literal["<", ">"]
    compression: int
    predictor: bool
    tile: tuple[int, int] | None
    dtype: np.dtype
    resolution: tuple[tuple[int, int], tuple[int, int], int] | None
    tags: tuple[tuple[RawTag, ...], ...]
    shape: tuple[int, ...] | None
    is_imagej: bool


FRESH = TiffNative("<", DEFLATE, True, None, np.dtype(np.float32), None, (), None, False)


def native_of(file: Any, pages: list[Any], stream: BinaryIO, is_inside: bool) -> TiffNative:
    """Take from an open file what another TIFF takes back.

    Args:
        file: tifffile's.
        pages: those that are read.
        stream: where the file is.
        is_inside: whether one page stands for a stack.
    """
    first = pages[0]
    found = resolution(first)
    turned = orientation_of(first) >= 5
    if found and turned:
        found = found[1], found[0], found[2]
    tags = tuple(copied(page, stream) for page in pages)
    # tifffile's own description would be wrong once planes are channels and every page is listed.
    if file.is_shaped and (is_inside or first.planarconfig == 2):
        tags = tuple(tuple(tag for tag in page if tag[0] != DESCRIPTION) for page in tags)
    structured = file.is_imagej or file.is_ome or file.is_shaped
    shape = (len(pages), first.imagelength, first.imagewidth)
    if is_inside:
        shape = (int(np.prod(file.series[0].shape)) // int(np.prod(first.shape)), *shape[1:])
    compression = LOSSLESS.get(int(first.compression), DEFLATE)
    is_lossless = int(first.compression) in LOSSLESS
    tile = (first.tilelength, first.tilewidth) if first.is_tiled and not turned else None
    return TiffNative(
        file.byteorder,
        compression,
        (first.predictor != 1 or not is_lossless) and compression not in WITHOUT_PREDICTOR,
        tile,
        np.dtype(first.dtype),
        found,
        tags,
        (shape if not turned else (shape[0], shape[2], shape[1])) if structured else None,
        bool(file.is_imagej),
    )


def write(stream: BinaryIO, sheet: Sheet) -> None:
    """Write samples without loss, alpha last if there is one, with the source's tags if it was a TIFF."""
    import tifffile

    metadata = sheet.metadata
    native = metadata.native if isinstance(metadata.native, TiffNative) else None
    kept = native or FRESH
    samples = sheet.samples
    if samples.dtype.kind == "f" and kept.dtype.kind == "f":
        samples = samples.astype(kept.dtype.newbyteorder("="), copy=False)
    is_big = samples.nbytes > CLASSIC
    directories, texts = directories_of(metadata.exif)
    if is_big and kept.byte_order == ">":
        directories = {}  # Pillow writes none for such files
    pages = _page_tags(native, sheet) if native else (texts,)
    xmp = ((XMP, 1, len(metadata.xmp), metadata.xmp, True),) if metadata.xmp else ()
    pages = ((*pages[0], *placeholders(directories, is_big), *xmp), *pages[1:])
    options = _options(sheet, kept)
    with tifffile.TiffWriter(stream, byteorder=kept.byte_order, bigtiff=is_big) as writer:
        if any(pages[1:]) and not kept.is_imagej:
            for page, tags in zip(samples, pages, strict=True):
                writer.write(page, extratags=tags, **options)
        else:
            writer.write(samples, extratags=pages[0], **options)
    if directories:
        append_directories(stream, directories)


def _options(sheet: Sheet, kept: TiffNative) -> dict[str, Any]:
    """Return what tifffile is told of every page."""
    samples = sheet.samples
    has_channels = samples.ndim == 3 + sheet.is_stack
    colours = (samples.shape[-1] if has_channels else 1) - sheet.has_alpha
    extra = max(0, colours - (3 if colours == 3 else 1)) * ["unspecified"] + sheet.has_alpha * ["unassalpha"]
    options: dict[str, Any] = {
        "photometric": "rgb" if colours == 3 else "minisblack",
        "compression": None if kept.compression == NONE else kept.compression,
        "predictor": kept.predictor or None,
        "iccprofile": sheet.metadata.icc,
        "metadata": None,
        "software": False,
        "tile": kept.tile,
    }
    if has_channels:
        options |= {"planarconfig": "contig", "extrasamples": extra or None}
    if kept.resolution:
        options |= {"resolution": kept.resolution[:2], "resolutionunit": kept.resolution[2]}
    elif sheet.metadata.dpi:
        options |= {"resolution": sheet.metadata.dpi, "resolutionunit": "INCH"}
    return options


def _page_tags(native: TiffNative, sheet: Sheet) -> tuple[tuple[RawTag, ...], ...]:
    """Return each page's tags, without a description of axes that are no longer these."""
    samples = sheet.samples
    shape = samples.shape[:3] if sheet.is_stack else (1, *samples.shape[:2])
    tags = native.tags if len(native.tags) in (shape[0], 1) else native.tags[:1]
    if native.shape and native.shape != shape:
        tags = tuple(tuple(tag for tag in page if tag[0] not in (DESCRIPTION, *IMAGEJ)) for page in tags)
    return tags
