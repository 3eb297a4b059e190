"""TIFF: its header, samples and pages, by way of tifffile."""

import logging
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image import raw
from pellucid.image.color import all_gray, cmyk_to_rgb
from pellucid.image.formats import Budget, ImageFile, Metadata, finished, oriented
from pellucid.image.guards.tiff_directories import check_directories
from pellucid.image.guards.tiff_segments import check_padding, check_segments
from pellucid.image.tiff_tags import PROFILE, XMP, dpi_of, exif_of, orientation_of
from pellucid.image.tiff_writer import native_of

MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK, YCBCR, CFA, LINEAR_RAW = 0, 1, 2, 3, 5, 6, 32803, 34892
SUPPORTED = (MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK)
NAMES = {MINISWHITE: "gray", MINISBLACK: "gray", YCBCR: "RGB"}
JPEG_COMPRESSIONS = (6, 7, 34892)
ASSOCIATED = 1
MASK = 4
DNG_VERSION = 50706
BAND = 256
MOST_CHANNELS = 1000

# What tifffile logs about a damaged file goes into the error that is raised for it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read(stream: BinaryIO, path: Path, budget: Budget) -> ImageFile:
    """Read an image, or a stack of pages of one size and kind; reduced copies and masks are passed over.

    Sizes and the number of pages are checked before anything is decoded.
    """
    import tifffile

    check_directories(stream, path, budget)
    stream.seek(0)
    with tifffile.TiffFile(stream, name=path.name) as file:
        if _is_raw(file.pages[0]):
            stream.seek(0)
            return raw.read(stream, path, budget)
        pages = _pages(path, file, budget)
        first = pages[0]
        size = stream.seek(0, 2)
        for page in pages:
            _check_page(path, page, size, budget)
            check_segments(path, page, stream)
        _check_alike(path, pages)
        inside = _pages_inside(file, pages)
        count = max(len(pages), inside)
        budget.check(path, first.imagelength, first.imagewidth, count, "pages")
        check_padding(path, pages, budget)
        metadata = _metadata(file, pages, stream, inside > 1)
        budget.check_text(path, metadata.size)
        if inside > 1:
            stack = file.series[0].asarray().reshape(inside, *first.shape)
            samples = _stacked(path, (_upright(path, first, frame) for frame in stack), count)
        elif count > 1:
            samples = _stacked(path, (_upright(path, page, page.asarray()) for page in pages), count)
        else:
            samples = _upright(path, first, first.asarray())
        has_alpha = _has_alpha(first)
    if first.photometric == PALETTE and samples.shape[-1] == 3 and all_gray(samples):
        samples = samples[..., 0]
    return finished(path, "TIFF", samples, has_alpha, first.bitspersample, metadata, count > 1)


def _metadata(file: Any, pages: list[Any], stream: BinaryIO, is_inside: bool) -> Metadata:
    first, native = pages[0], native_of(file, pages, stream, is_inside)
    icc, xmp = first.tags.valueof(PROFILE), first.tags.valueof(XMP)
    return Metadata(
        None if first.photometric == CMYK else icc,
        exif_of(stream),
        dpi_of(native.resolution),
        xmp if isinstance(xmp, bytes) else None,
        native,
    )


def _is_raw(page: Any) -> bool:
    """Whether a page belongs to a camera's raw file, which most often is a TIFF too."""
    inner = page.pages if page.subifds else ()
    return DNG_VERSION in page.tags or any(
        int(candidate.photometric or 0) in (CFA, LINEAR_RAW) for candidate in (page, *(inner or ()))
    )


def _pages(path: Path, file: Any, budget: Budget) -> list[Any]:
    """Return the pages that are images of their own, none of them decoded."""
    pages = []
    for page in file.pages:
        if not (page.is_reduced or page.subfiletype & MASK):
            pages.append(page)
        if len(pages) > budget.max_frames:
            budget.check(path, 1, 1, len(file.pages), "pages")
    if not pages:
        raise ValueError("it holds no page")
    return pages


def _pages_inside(file: Any, pages: list[Any]) -> int:
    """Return how many images lie behind one page: ImageJ and tifffile may list only the first of a stack."""
    # What lies elsewhere (OME's files beside this one) is not for a reader of one file.
    elsewhere = file.is_ome or file.is_lsm or file.is_mmstack
    if len(pages) > 1 or len(file.pages) > 1 or elsewhere or not (file.is_imagej or file.is_shaped):
        return 1
    size = int(np.prod(pages[0].shape))
    try:
        held = int(np.prod(file.series[0].shape))
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return 1  # any description in JSON that has a "shape" is taken for tifffile's
    return held // size if size and held % size == 0 and pages[0].compression == 1 else 1


def _check_page(path: Path, page: Any, size: int, budget: Budget) -> None:
    """Refuse, from the header alone, what is too large, cut short or not supported."""
    channels, depth = page.samplesperpixel, page.imagedepth
    if not all(isinstance(number, int) for number in (page.imagelength, page.imagewidth, channels, depth)):
        raise ValueError("its width, height, depth or channels are not one whole number each")
    budget.check(path, page.imagelength, page.imagewidth)
    if page.imagelength * page.imagewidth * channels > 4 * budget.max_pixels or channels > MOST_CHANNELS or depth > 1:
        raise PellucidError(
            f"{path} has {channels} channels and a depth of {depth}, too much: save its channels or slices one a file"
        )
    if page.photometric not in SUPPORTED and not (page.photometric == YCBCR and page.compression in JPEG_COMPRESSIONS):
        name = getattr(page.photometric, "name", page.photometric)
        raise PellucidError(f"{path} has {name} colours, which are not supported: save it as RGB or gray")
    if page.dtype is None or page.dtype.kind not in "buf" or (page.dtype.kind == "u" and page.dtype.itemsize > 2):
        raise PellucidError(
            f"{path} has samples of type {page.dtype}, which is not supported: save it as uint8, uint16 or float32"
        )
    if page.photometric == CMYK and (page.dtype != np.uint8 or page.samplesperpixel != 4):
        raise PellucidError(
            f"{path} has CMYK colours of {page.samplesperpixel} channels and {page.dtype}, only four of uint8 are "
            "supported: save it as RGB"
        )
    end = max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    if end > size:
        raise ValueError(f"its samples end at byte {end}, the file at {size}")


def _check_alike(path: Path, pages: list[Any]) -> None:
    """Refuse pages that make no stack."""

    def kind(page: Any) -> tuple:
        name = NAMES.get(int(page.photometric)) or getattr(page.photometric, "name", "")
        return page.imagewidth, page.imagelength, name, page.samplesperpixel, str(page.dtype), page.bitspersample

    def said(page: Any) -> str:
        width, height, name, channels, dtype, _ = kind(page)
        return f"{width}x{height} {name} of {channels} {dtype} channel{'s' * (channels > 1)}"

    for number, page in enumerate(pages[1:], 2):
        if kind(page) != kind(pages[0]) or orientation_of(page) != orientation_of(pages[0]):
            raise PellucidError(
                f"{path} holds pages of unequal size or kind (page 1 is {said(pages[0])}, page {number} is "
                f"{said(page)}): save the pages one a file"
            )


def _stacked(path: Path, frames: Any, count: int) -> np.ndarray:
    stack: np.ndarray | None = None
    for index, frame in enumerate(frames):
        stack = np.empty((count, *frame.shape), frame.dtype) if stack is None else stack
        stack[index] = frame
    if stack is None:
        raise ValueError("it holds no page")
    return stack


def _upright(path: Path, page: Any, samples: np.ndarray) -> np.ndarray:
    """Return one page's samples, (H, W) or (H, W, C), as uint8, uint16 or float32 with white the greatest."""
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    samples = _unsigned_or_float(samples)
    if page.photometric == PALETTE:
        samples = _palette(samples, page.tags.valueof(320))
    elif page.photometric == CMYK:
        samples = _cmyk(samples, page.tags.valueof(PROFILE))
    elif samples.dtype == np.uint8 and 1 < page.bitspersample < 8:
        samples = samples * np.uint8(255 // ((1 << page.bitspersample) - 1))
    if page.photometric == MINISWHITE and samples.dtype.kind == "u":
        samples = np.subtract(_white(page, samples), samples, dtype=samples.dtype)
    if _has_alpha(page) and int(page.extrasamples[-1]) == ASSOCIATED:
        samples = _divided_by_alpha(samples)
    return oriented(samples, orientation_of(page))


def _white(page: Any, samples: np.ndarray) -> int:
    bits = page.bitspersample
    return (1 << bits) - 1 if 8 < bits < 16 else int(np.iinfo(samples.dtype).max)


def _unsigned_or_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
            return samples.astype(np.float32, copy=False)
    if samples.dtype == bool:
        return samples.astype(np.uint8) * np.uint8(255)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _palette(indices: np.ndarray, colormap: np.ndarray) -> np.ndarray:
    """Return colours, of 8 bits where the map holds no finer ones."""
    colours = np.moveaxis(colormap, 0, -1)
    # Maps of 8-bit colours are written either as v * 257 or as v * 256 (TIFF 6.0, section 5).
    if not (colours % 257).any():
        colours = (colours // 257).astype(np.uint8)
    elif not (colours % 256).any():
        colours = (colours // 256).astype(np.uint8)
    return colours[indices]


def _cmyk(samples: np.ndarray, icc: bytes | None) -> np.ndarray:
    from PIL import Image

    return np.asarray(cmyk_to_rgb(Image.fromarray(np.ascontiguousarray(samples), "CMYK"), icc))


def _has_alpha(page: Any) -> bool:
    """Whether the last channel is alpha; a fourth channel beside RGB that is not explained is taken for it."""
    kinds = [int(kind) for kind in page.extrasamples]
    if not kinds or page.samplesperpixel < 2 or page.photometric in (CMYK, PALETTE):
        return False
    return kinds[-1] in (1, 2) or (page.photometric == RGB and kinds == [0])


def _divided_by_alpha(samples: np.ndarray) -> np.ndarray:
    """Return samples (H, W, C) whose colours are no longer multiplied by their last channel, band by band."""
    straight = np.empty_like(samples)
    full = float(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1.0
    for start in range(0, len(samples), BAND):
        band = samples[start : start + BAND].astype(np.float64)
        colours, alpha = band[..., :-1], band[..., -1:]
        colours = np.divide(colours * full, alpha, out=np.zeros_like(colours), where=alpha > 0)
        if samples.dtype.kind == "u":
            colours = np.rint(colours).clip(0, full)
        straight[start : start + BAND, :, :-1] = colours
    straight[..., -1] = samples[..., -1]
    return straight
