"""TIFF: its header, samples and metadata, by way of tifffile."""

import io
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.formats import ORIENTATION, ImageFile, Metadata, check_budget, cmyk_to_rgb, finished

MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
JPEG_COMPRESSIONS = (6, 7, 34892)
ASSOCIATED = 1
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, time, artist, copyright
DOTS = {2: 1.0, 3: 2.54}  # from the resolution unit to an inch

# What tifffile logs about a damaged file goes into the error that is raised for it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def read_tiff(path: Path, max_pixels: int) -> ImageFile:
    """Read a TIFF of one page (reduced copies of it are passed over); the size is checked before decoding."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        every_page: Any = file.pages
        pages = [page for page in every_page if not page.is_reduced]
        if len(pages) != 1:
            raise PellucidError(f"{path} holds {len(pages)} pages, one is supported: save the pages one a file")
        page = pages[0]
        _check_page(path, page, max_pixels)
        samples = page.asarray()
        tags = page.tags
        dpi = _dpi(tags)
        icc = tags.valueof(34675)
        colormap = tags.valueof(320)
    if page.planarconfig == 2 and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, -1)
    samples = _unsigned_or_float(samples)
    if page.photometric == MINISWHITE and samples.dtype.kind == "u":
        samples = np.iinfo(samples.dtype).max - samples
    elif page.photometric == PALETTE:
        samples = _palette(samples, colormap)
    elif page.photometric == CMYK:
        samples, icc = _cmyk(path, samples, icc), None
    samples, has_alpha = _straight_alpha(samples, page)
    metadata = Metadata(icc, _exif(path), dpi)
    return finished(path, "TIFF", samples, has_alpha, page.bitspersample, metadata)


def write_tiff(target: Path, samples: np.ndarray, has_alpha: bool, metadata: Metadata) -> None:
    """Write (H, W) or (H, W, C) samples, alpha last if there is one, deflated without loss."""
    import tifffile

    colours = (1 if samples.ndim == 2 else samples.shape[2]) - has_alpha
    extra = max(0, colours - (3 if colours == 3 else 1)) * ["unspecified"] + has_alpha * ["unassalpha"]
    resolution = {"resolution": metadata.dpi, "resolutionunit": "INCH"} if metadata.dpi else {}
    directories, texts = _directories(metadata.exif)
    # tifffile leaves the tags of directories out, so each gets its number plus one here and its own number below.
    places = [(number + 1, "I", 1, 0, True) for number in directories]
    tifffile.imwrite(
        target,
        samples,
        byteorder="<",
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig="contig",
        extrasamples=extra or None,
        compression="zlib",
        predictor=True,
        iccprofile=metadata.icc,
        extratags=texts + places,
        metadata=None,
        software=False,
        **resolution,
    )
    if directories:
        _append_directories(target, directories)


def _check_page(path: Path, page: Any, max_pixels: int) -> None:
    """Refuse, from the header alone, what is too large, cut short or not supported."""
    check_budget(path, page.imagelength, page.imagewidth, max_pixels)
    check_budget(path, max(page.tilelength, 1), max(page.tilewidth, 1), max_pixels)
    if page.imagelength * page.imagewidth * page.samplesperpixel > 4 * max_pixels or page.imagedepth > 1:
        raise PellucidError(
            f"{path} has {page.samplesperpixel} channels and a depth of {page.imagedepth}, too much: save its channels "
            "or slices one a file"
        )
    supported = (MINISWHITE, MINISBLACK, RGB, PALETTE, CMYK)
    if page.photometric not in supported and not (page.photometric == YCBCR and page.compression in JPEG_COMPRESSIONS):
        name = getattr(page.photometric, "name", page.photometric)
        raise PellucidError(f"{path} has {name} colours, which are not supported: save it as RGB or gray")
    if page.dtype is None or page.dtype.kind not in "buf" or (page.dtype.kind == "u" and page.dtype.itemsize > 2):
        raise PellucidError(
            f"{path} has samples of type {page.dtype}, which is not supported: save it as uint8, uint16 or float32"
        )
    end = max((offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0)
    size = path.stat().st_size
    if end > size:
        raise ValueError(f"its samples end at byte {end}, the file at {size}")


def _unsigned_or_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype == bool:
        return samples.astype(np.uint8) * np.uint8(255)
    return samples.astype(samples.dtype.newbyteorder("="))


def _palette(indices: np.ndarray, colormap: np.ndarray) -> np.ndarray:
    """Return colours of 8 bits where the map holds no finer ones, gray if all are gray."""
    colours = np.moveaxis(colormap, 0, -1)
    # Maps of 8-bit colours are written either as v * 257 or as v * 256 (TIFF 6.0, section 5).
    if not (colours % 257).any():
        colours = (colours // 257).astype(np.uint8)
    elif not (colours % 256).any():
        colours = (colours // 256).astype(np.uint8)
    samples = colours[indices]
    return samples[..., 0] if (samples == samples[..., :1]).all() else samples


def _cmyk(path: Path, samples: np.ndarray, icc: bytes | None) -> np.ndarray:
    from PIL import Image

    if samples.dtype != np.uint8 or samples.shape[2:] != (4,):
        raise PellucidError(f"{path} has CMYK colours of {samples.dtype}, only uint8 is supported: save it as RGB")
    return np.asarray(cmyk_to_rgb(Image.fromarray(np.ascontiguousarray(samples), "CMYK"), icc))


def _straight_alpha(samples: np.ndarray, page: Any) -> tuple[np.ndarray, bool]:
    """Return the samples with alpha as their last channel, colours not multiplied by it, and whether it is there."""
    kinds = [int(kind) for kind in page.extrasamples]
    is_rgba = page.photometric == RGB and kinds == [0] and samples.shape[2:] == (4,)
    if samples.ndim != 3 or not kinds or page.photometric in (CMYK, PALETTE) or not (is_rgba or {1, 2} & {kinds[-1]}):
        return samples, False
    if kinds[-1] == ASSOCIATED:
        alpha = samples[..., -1:].astype(np.float64)
        full = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1.0
        straight = np.divide(
            samples[..., :-1] * float(full), alpha, out=np.zeros(samples[..., :-1].shape), where=alpha > 0
        )
        if samples.dtype.kind == "u":
            straight = np.rint(straight).clip(0, full)
        samples = np.concatenate([straight.astype(samples.dtype), samples[..., -1:]], axis=2)
    return samples, True


def _dpi(tags: Any) -> tuple[float, float] | None:
    unit = DOTS.get(int(tags.valueof(296, default=2)))
    across, down = tags.valueof(282), tags.valueof(283)
    if unit is None or not (across and down and across[1] and down[1]):
        return None
    return across[0] / across[1] * unit, down[0] / down[1] * unit


def _exif(path: Path) -> bytes | None:
    """Return the descriptive tags, the orientation and the EXIF and GPS directories as an EXIF block."""
    from PIL import Image

    stored, kept = Image.Exif(), Image.Exif()
    with path.open("rb") as stream:
        try:
            stored.load_from_fp(stream)
            for tag in (*DESCRIPTIVE, ORIENTATION):
                if tag in stored:
                    kept[tag] = stored[tag]
            for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
                kept.get_ifd(tag).update(stored.get_ifd(tag))
        except (SyntaxError, ValueError, KeyError, TypeError, OSError):
            return None
    return kept.tobytes() if len(kept) else None


def _directories(exif: bytes | None) -> tuple[dict[int, dict], list[tuple]]:
    """Return the directories of an EXIF block by their tags, and its descriptive tags as tifffile takes them."""
    from PIL import Image

    block = Image.Exif()
    if exif:
        block.load(exif)
    directories = {tag: dict(block.get_ifd(tag)) for tag in (EXIF_DIRECTORY, GPS_DIRECTORY)}
    texts = [(tag, "s", 0, str(block[tag]), True) for tag in DESCRIPTIVE if tag in block]
    return {tag: entries for tag, entries in directories.items() if entries}, texts


def _append_directories(target: Path, directories: dict[int, dict]) -> None:
    """Write EXIF and GPS directories behind the image and point their tags at them."""
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with tifffile.TiffFile(target) as file:
        if file.is_bigtiff:
            return
        first: Any = file.pages[0]
        tags = first.tags
        places = {tag: (tags[tag + 1].offset, tags[tag + 1].valueoffset) for tag in directories}
    with target.open("r+b") as stream:
        for tag, entries in directories.items():
            directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0", group=tag)
            for key, value in entries.items():
                directory[key] = value
            start = stream.seek(0, io.SEEK_END)
            start += stream.write(b"\0" * (start % 2))
            stream.write(directory.tobytes(start))
            tag_offset, value_offset = places[tag]
            stream.seek(tag_offset)
            stream.write(struct.pack("<H", tag))
            stream.seek(value_offset)
            stream.write(struct.pack("<I", start))
