"""TIFF: its header, pages, samples and tags, read with tifffile."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import raw
from pellucid.image.color import cmyk_to_rgb, is_gray
from pellucid.image.exif import EXIF_DIRECTORY, GPS_DIRECTORY, ORIENTATION, read_tiff_exif
from pellucid.image.formats import ImageFile, ImageSize, Metadata, StoredImage, apply_orientation, make_image_file
from pellucid.image.guards.limits import ReadLimits
from pellucid.image.guards.tiff_layout import check_directories, check_padding, check_segments
from pellucid.image.tiff_writer import DEFLATE, DESCRIPTION, LOSSLESS, WITHOUT_PREDICTOR, XMP, RawTag, TiffNative

MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK, YCBCR, CFA, LINEAR_RAW = 0, 1, 2, 3, 5, 6, 32803, 34892
SUPPORTED = (MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK)
NAMES = {MINISWHITE: "gray", MINISBLACK: "gray", YCBCR: "RGB"}
JPEG_COMPRESSIONS = (6, 7, 34892)
ASSOCIATED = 1
MASK = 4
DNG_VERSION = 50706
BAND_ROWS = 256
MAX_CHANNELS = 1000
RESOLUTION_X, RESOLUTION_Y, RESOLUTION_UNIT, COLORMAP, PROFILE = 282, 283, 296, 320, 34675
# The tags that are not copied: those about how samples are stored, which the writer sets; those that point to other
# parts of the file; and the layers that Photoshop would show instead of the image.
# fmt: off
STRUCTURAL = frozenset((
    *range(254, 260), *range(262, 267), *range(273, 285), *range(288, 294), RESOLUTION_UNIT, 301, 317, 320,
    *range(322, 326), 330, *range(332, 343), 347, 400, *range(512, 533), XMP, 32997, 32998, PROFILE,
    EXIF_DIRECTORY, GPS_DIRECTORY, 37724, 40965,
))
# fmt: on
MAX_TYPE = 13  # of classic TIFF
RESOLUTION_UNITS = (1, 2, 3)  # none, inch, centimeter
PER_INCH = {2: 1.0, 3: 2.54}  # from pixels per unit to pixels per inch

Resolution = tuple[tuple[int, int], tuple[int, int], int]  # two fractions and their unit

# The messages that tifffile logs about damaged files are part of the errors raised for them.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def open_image(stream: BinaryIO, path: Path, limits: ReadLimits) -> StoredImage:
    """Open an image, or a stack of pages of one size and kind, without reduced copies and masks.

    Sizes and the number of pages are checked before anything is decoded.
    """
    import tifffile

    check_directories(stream, path, limits)
    stream.seek(0)
    file = tifffile.TiffFile(stream, name=path.name)  # left open, since pages are decoded later; it owns no file
    if _is_raw(file.pages[0]):
        stream.seek(0)
        return raw.open_image(stream, path, limits)
    pages = _pages(path, file, limits)
    first = pages[0]
    file_bytes = stream.seek(0, 2)
    for page in pages:
        _check_page(path, page, file_bytes, limits)
        check_segments(path, page, stream)
    _check_same_kind(path, pages)
    num_unlisted = _count_unlisted_pages(file, pages)
    count = max(len(pages), num_unlisted)
    limits.check(path, first.imagelength, first.imagewidth, count, "pages")
    check_padding(path, pages, limits)
    metadata = _metadata(file, pages, stream, num_unlisted > 1)
    limits.check_text(path, metadata.size)

    def decode() -> ImageFile:
        if num_unlisted > 1:
            stack = file.series[0].asarray().reshape(num_unlisted, *first.shape)
            samples = _stack((_decode_page(first, frame) for frame in stack), count)
        elif count > 1:
            samples = _stack((_decode_page(page, page.asarray()) for page in pages), count)
        else:
            samples = _decode_page(first, first.asarray())
        if first.photometric == PALETTE and samples.shape[-1] == 3 and is_gray(samples):
            samples = samples[..., 0]
        return make_image_file(path, "TIFF", samples, _has_alpha(first), first.bitspersample, metadata, count > 1)

    return StoredImage(_size(first, count), decode)


def _size(page: Any, count: int) -> ImageSize:
    height, width = page.imagelength, page.imagewidth
    if read_orientation(page) >= 5:
        height, width = width, height
    channels = page.samplesperpixel - _has_alpha(page)
    if page.photometric in (PALETTE, CMYK):
        channels = None if page.photometric == PALETTE else 3
    return ImageSize("TIFF", height, width, count, channels)


def _metadata(file: Any, pages: list[Any], stream: BinaryIO, is_unlisted: bool) -> Metadata:
    first, native = pages[0], read_native(file, pages, stream, is_unlisted)
    icc, xmp = first.tags.valueof(PROFILE), first.tags.valueof(XMP)
    return Metadata(
        None if first.photometric == CMYK else icc,
        read_tiff_exif(stream),
        to_dpi(native.resolution),
        xmp if isinstance(xmp, bytes) else None,
        native,
    )


def _is_raw(page: Any) -> bool:
    """Return whether a page belongs to a camera raw file; most of these are TIFF files too."""
    inner = page.pages if page.subifds else ()
    return DNG_VERSION in page.tags or any(
        int(candidate.photometric or 0) in (CFA, LINEAR_RAW) for candidate in (page, *(inner or ()))
    )


def _pages(path: Path, file: Any, limits: ReadLimits) -> list[Any]:
    """Return the pages that are neither copies nor masks, without decoding them."""
    pages = []
    for page in file.pages:
        if not (page.is_reduced or page.subfiletype & MASK):
            pages.append(page)
        if len(pages) > limits.max_frames:
            limits.check(path, 1, 1, len(file.pages), "pages")
    if not pages:
        raise ValueError("it holds no page")
    return pages


def _count_unlisted_pages(file: Any, pages: list[Any]) -> int:
    """Return the number of images behind a single page: ImageJ and tifffile may list only the first of a stack."""
    # OME and others may keep images in other files, which are not read.
    elsewhere = file.is_ome or file.is_lsm or file.is_mmstack
    if len(pages) > 1 or len(file.pages) > 1 or elsewhere or not (file.is_imagej or file.is_shaped):
        return 1
    size = int(np.prod(pages[0].shape))
    try:
        stored = int(np.prod(file.series[0].shape))
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return 1  # tifffile believes any JSON description with a "shape"
    return stored // size if size and stored % size == 0 and pages[0].compression == 1 else 1


def _check_page(path: Path, page: Any, file_bytes: int, limits: ReadLimits) -> None:
    """Raise an error for a page that is too large, cut short or not supported, from its header alone."""
    channels, depth = page.samplesperpixel, page.imagedepth
    if not all(isinstance(number, int) for number in (page.imagelength, page.imagewidth, channels, depth)):
        raise ValueError("its width, height, depth or channels are not one whole number each")
    limits.check(path, page.imagelength, page.imagewidth)
    if page.imagelength * page.imagewidth * channels > 4 * limits.max_pixels or channels > MAX_CHANNELS or depth > 1:
        raise PellucidError(
            f"{path} has {channels} channels and a depth of {depth}, too much: save its channels or slices one a file"
        )
    if page.photometric not in SUPPORTED and not (page.photometric == YCBCR and page.compression in JPEG_COMPRESSIONS):
        name = getattr(page.photometric, "name", page.photometric)
        raise PellucidError(f"{path} has {name} colors, which are not supported: save it as RGB or gray")
    if page.dtype is None or page.dtype.kind not in "buf" or (page.dtype.kind == "u" and page.dtype.itemsize > 2):
        raise PellucidError(
            f"{path} has samples of type {page.dtype}, which is not supported: save it as uint8, uint16 or float32"
        )
    if page.photometric == CMYK and (page.dtype != np.uint8 or page.samplesperpixel != 4):
        raise PellucidError(
            f"{path} has CMYK colors of {page.samplesperpixel} channels and {page.dtype}, only four of uint8 are "
            "supported: save it as RGB"
        )
    end = max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > file_bytes:
        raise ValueError(f"its samples end at byte {end}, the file at {file_bytes}")


def _check_same_kind(path: Path, pages: list[Any]) -> None:
    """Raise PellucidError if the pages differ in size or kind."""

    def kind(page: Any) -> tuple:
        name = NAMES.get(int(page.photometric)) or getattr(page.photometric, "name", "")
        return page.imagewidth, page.imagelength, name, page.samplesperpixel, str(page.dtype), page.bitspersample

    def describe(page: Any) -> str:
        width, height, name, channels, dtype, _ = kind(page)
        return f"{width}x{height} {name} of {channels} {dtype} channel{'s' * (channels > 1)}"

    for number, page in enumerate(pages[1:], 2):
        if kind(page) != kind(pages[0]) or read_orientation(page) != read_orientation(pages[0]):
            raise PellucidError(
                f"{path} holds pages of unequal size or kind (page 1 is {describe(pages[0])}, page {number} is "
                f"{describe(page)}): save the pages one a file"
            )


def _stack(frames: Iterable[np.ndarray], count: int) -> np.ndarray:
    stack: np.ndarray | None = None
    for index, frame in enumerate(frames):
        stack = np.empty((count, *frame.shape), frame.dtype) if stack is None else stack
        stack[index] = frame
    if stack is None:
        raise ValueError("it holds no page")
    return stack


def _decode_page(page: Any, samples: np.ndarray) -> np.ndarray:
    """Return the upright samples of a page, (H, W) or (H, W, C), as uint8, uint16 or float32; white is the maximum."""
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    samples = _unsigned_or_float(samples)
    if page.photometric == PALETTE:
        samples = _apply_palette(samples, page.tags.valueof(COLORMAP))
    elif page.photometric == CMYK:
        samples = _cmyk(samples, page.tags.valueof(PROFILE))
    elif samples.dtype == np.uint8 and 1 < page.bitspersample < 8:
        samples = samples * np.uint8(255 // ((1 << page.bitspersample) - 1))
    if page.photometric == MINISWHITE and samples.dtype.kind == "u":
        samples = np.subtract(_max_value(page, samples), samples, dtype=samples.dtype)
    if _has_alpha(page) and int(page.extrasamples[-1]) == ASSOCIATED:
        samples = _unpremultiply(samples)
    return apply_orientation(samples, read_orientation(page))


def _max_value(page: Any, samples: np.ndarray) -> int:
    bits = page.bitspersample
    return (1 << bits) - 1 if 8 < bits < 16 else int(np.iinfo(samples.dtype).max)


def _unsigned_or_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large values become infinite
            return samples.astype(np.float32, copy=False)
    if samples.dtype == bool:
        return samples.astype(np.uint8) * np.uint8(255)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _apply_palette(indices: np.ndarray, colormap: np.ndarray) -> np.ndarray:
    """Return RGB samples, of 8 bits if the color map has no more."""
    colors = np.moveaxis(colormap, 0, -1)
    # 8-bit colors are stored either as v * 257 or as v * 256 (TIFF 6.0, section 5).
    if not (colors % 257).any():
        colors = (colors // 257).astype(np.uint8)
    elif not (colors % 256).any():
        colors = (colors // 256).astype(np.uint8)
    return colors[indices]


def _cmyk(samples: np.ndarray, icc: bytes | None) -> np.ndarray:
    from PIL import Image

    return np.asarray(cmyk_to_rgb(Image.fromarray(np.ascontiguousarray(samples), "CMYK"), icc))


def _has_alpha(page: Any) -> bool:
    """Return whether the last channel is alpha; so is an unspecified fourth channel beside RGB."""
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds or page.samplesperpixel < 2 or page.photometric in (CMYK, PALETTE):
        return False
    return kinds[-1] in (1, 2) or (page.photometric == RGB and kinds == [0])


def _unpremultiply(samples: np.ndarray) -> np.ndarray:
    """Return samples (H, W, C) with straight instead of premultiplied alpha, computed in bands of rows."""
    straight = np.empty_like(samples)
    full = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1.0
    for start in range(0, len(samples), BAND_ROWS):
        band = samples[start : start + BAND_ROWS].astype(np.float64)
        colors, alpha = band[..., :-1], band[..., -1:]
        colors = np.divide(colors * full, alpha, out=np.zeros_like(colors), where=alpha > 0)
        if samples.dtype.kind == "u":
            colors = np.rint(colors).clip(0, full)
        straight[start : start + BAND_ROWS, :, :-1] = colors
    straight[..., -1] = samples[..., -1]
    return straight


def read_native(file: Any, pages: list[Any], stream: BinaryIO, is_unlisted: bool) -> TiffNative:
    """Return the metadata that only a TIFF can hold.

    Args:
        file: a `tifffile.TiffFile`.
        pages: those that are read.
        stream: of the file.
        is_unlisted: whether one page stands for a stack.
    """
    first = pages[0]
    resolution = read_resolution(first)
    is_rotated = read_orientation(first) >= 5
    if resolution and is_rotated:
        resolution = resolution[1], resolution[0], resolution[2]
    tags = tuple(copy_tags(page, stream) for page in pages)
    # The description by tifffile would be wrong, since planes become channels and every page gets listed.
    if file.is_shaped and (is_unlisted or first.planarconfig == 2):
        tags = tuple(tuple(tag for tag in page if tag[0] != DESCRIPTION) for page in tags)
    structured = file.is_imagej or file.is_ome or file.is_shaped
    shape = (len(pages), first.imagelength, first.imagewidth)
    if is_unlisted:
        shape = (int(np.prod(file.series[0].shape)) // int(np.prod(first.shape)), *shape[1:])
    compression = LOSSLESS.get(int(first.compression), DEFLATE)
    is_lossless = int(first.compression) in LOSSLESS
    tile = (first.tilelength, first.tilewidth) if first.is_tiled and not is_rotated else None
    return TiffNative(
        file.byteorder,
        compression,
        (first.predictor != 1 or not is_lossless) and compression not in WITHOUT_PREDICTOR,
        tile,
        np.dtype(first.dtype),
        resolution,
        tags,
        (shape if not is_rotated else (shape[0], shape[2], shape[1])) if structured else None,
        bool(file.is_imagej),
    )


def copy_tags(page: Any, stream: BinaryIO) -> tuple[RawTag, ...]:
    """Return the descriptive tags of a page, in the byte order of the file, as tifffile writes them."""
    tags = []
    for tag in page.tags:
        if tag.code not in STRUCTURAL and tag.dtype <= MAX_TYPE:
            stream.seek(tag.valueoffset)
            tags.append((int(tag.code), int(tag.dtype), int(tag.count), stream.read(tag.valuebytecount), True))
    return tuple(tags)


def read_orientation(page: Any) -> int:
    """Return the orientation of a page, 1 to 8; 1 if the stored one is invalid."""
    stored = page.tags.valueof(ORIENTATION)
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else 1


def read_resolution(page: Any) -> Resolution | None:
    """Return the resolution as stored, two fractions and their unit, or None if it is invalid."""
    tags = page.tags
    across, down = tags.valueof(RESOLUTION_X), tags.valueof(RESOLUTION_Y)
    if not all(isinstance(axis, tuple) and len(axis) == 2 and all(axis) for axis in (across, down)):
        return None
    unit = tags.valueof(RESOLUTION_UNIT, default=2)
    return (across, down, int(unit)) if unit in RESOLUTION_UNITS else None


def to_dpi(resolution: Resolution | None) -> tuple[float, float] | None:
    """Return (x, y) in pixels per inch, or None if the resolution has no unit of length."""
    if resolution is None or resolution[2] not in PER_INCH:
        return None
    (across, down, unit) = resolution
    return across[0] / across[1] * PER_INCH[unit], down[0] / down[1] * PER_INCH[unit]
