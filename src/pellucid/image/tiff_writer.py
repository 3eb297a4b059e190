"""Write TIFF: an image or a stack, compressed as in its source, if that was lossless."""

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from pellucid.image.exif import read_directories
from pellucid.image.formats import ImageData

DESCRIPTION, XMP, IMAGEJ = 270, 700, (50838, 50839)
CLASSIC, BIG = 42, 43  # versions in the header of files with offsets of 32 and 64 bits
NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
LOSSLESS = {NONE: NONE, LZW: LZW, DEFLATE: DEFLATE, PACKBITS: PACKBITS, OLD_DEFLATE: DEFLATE, LZMA: LZMA, ZSTD: ZSTD}
WITHOUT_PREDICTOR = (NONE, PACKBITS)
MAX_CLASSIC_BYTES = (1 << 32) - (1 << 25)  # more bytes of samples need offsets of 64 bits

RawTag = tuple[int, int, int, bytes, bool]  # code, type, count, value, whether it is written once


@dataclass(frozen=True)
class TiffNative:
    """The metadata that only a TIFF can hold.

    Attributes:
        byte_order: of the tags, "<" or ">".
        compression: the code of a lossless compression; deflate if that of the source is lossy or rare.
        predictor: whether differences are stored.
        tile: (height, width) of the tiles in pixels, or None for strips.
        dtype: of the samples in the file.
        resolution: two fractions and their unit, or None.
        tags: the descriptive tags of each page.
        shape: (pages, height, width) to which a description of the axes (by ImageJ, OME, tifffile) refers, or None.
        is_imagej: whether uncompressed pages must be contiguous.
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


DEFAULT = TiffNative("<", DEFLATE, True, None, np.dtype(np.float32), None, (), None, False)


def write(stream: BinaryIO, image: ImageData) -> None:
    """Write samples without loss, alpha last if there is one, with the tags of the source if it was a TIFF."""
    import tifffile

    metadata = image.metadata
    native = metadata.native if isinstance(metadata.native, TiffNative) else None
    kept = native or DEFAULT
    samples = image.samples
    if samples.dtype.kind == "f" and kept.dtype.kind == "f":
        samples = samples.astype(kept.dtype.newbyteorder("="), copy=False)
    is_big = samples.nbytes > MAX_CLASSIC_BYTES
    directories, texts = read_directories(metadata.exif)
    if is_big and kept.byte_order == ">":
        directories = {}  # Pillow cannot write them for such files
    pages = _page_tags(native, image) if native else (texts,)
    xmp = ((XMP, 1, len(metadata.xmp), metadata.xmp, True),) if metadata.xmp else ()
    pages = ((*pages[0], *placeholder_tags(directories, is_big), *xmp), *pages[1:])
    options = _options(image, kept)
    with tifffile.TiffWriter(stream, byteorder=kept.byte_order, bigtiff=is_big) as writer:
        if any(pages[1:]) and not kept.is_imagej:
            for page, tags in zip(samples, pages, strict=True):
                writer.write(page, extratags=tags, **options)
        else:
            writer.write(samples, extratags=pages[0], **options)
    if directories:
        append_directories(stream, directories)


def _options(image: ImageData, kept: TiffNative) -> dict[str, Any]:
    """Return the arguments of tifffile for every page."""
    samples = image.samples
    has_channels = samples.ndim == 3 + image.is_stack
    colors = (samples.shape[-1] if has_channels else 1) - image.has_alpha
    extra = max(0, colors - (3 if colors == 3 else 1)) * ["unspecified"] + image.has_alpha * ["unassalpha"]
    options: dict[str, Any] = {
        "photometric": "rgb" if colors == 3 else "minisblack",
        "compression": None if kept.compression == NONE else kept.compression,
        "predictor": kept.predictor or None,
        "iccprofile": image.metadata.icc,
        "metadata": None,
        "software": False,
        "tile": kept.tile,
    }
    if has_channels:
        options |= {"planarconfig": "contig", "extrasamples": extra or None}
    if kept.resolution:
        options |= {"resolution": kept.resolution[:2], "resolutionunit": kept.resolution[2]}
    elif image.metadata.dpi:
        options |= {"resolution": image.metadata.dpi, "resolutionunit": "INCH"}
    return options


def _page_tags(native: TiffNative, image: ImageData) -> tuple[tuple[RawTag, ...], ...]:
    """Return the tags of each page, without a description of axes if the shape has changed."""
    samples = image.samples
    shape = samples.shape[:3] if image.is_stack else (1, *samples.shape[:2])
    tags = native.tags if len(native.tags) in (shape[0], 1) else native.tags[:1]
    if native.shape and native.shape != shape:
        tags = tuple(tuple(tag for tag in page if tag[0] not in (DESCRIPTION, *IMAGEJ)) for page in tags)
    return tags


def placeholder_tags(directories: dict[int, dict], is_big: bool) -> tuple[tuple, ...]:
    """Return tags that reserve space for directories; tifffile omits their codes, so each gets its code plus one."""
    return tuple((code + 1, 16 if is_big else 4, 1, 0, True) for code in directories)


def append_directories(stream: BinaryIO, directories: dict[int, dict]) -> None:
    """Write EXIF and GPS directories after the image and let the placeholder tags point to them."""
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        is_big, order = file.is_bigtiff, file.byteorder
        first: Any = file.pages[0]
        offsets = {tag: (first.tags[tag + 1].offset, first.tags[tag + 1].valueoffset) for tag in directories}
    head = (
        (b"II" if order == "<" else b"MM")
        + struct.pack(f"{order}H", BIG if is_big else CLASSIC)
        + bytes(12 if is_big else 4)
    )
    for tag, entries in directories.items():
        directory = ImageFileDirectory_v2(head, group=tag)
        for key, value in entries.items():
            directory[key] = value
        start = stream.seek(0, io.SEEK_END)
        start += stream.write(bytes(start % 2))
        stream.write(directory.tobytes(start))
        tag_offset, value_offset = offsets[tag]
        stream.seek(tag_offset)
        stream.write(struct.pack(f"{order}H", tag))
        stream.seek(value_offset)
        stream.write(struct.pack(order + ("Q" if is_big else "I"), start))
