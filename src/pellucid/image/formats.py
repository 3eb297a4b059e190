"""The formats of image files: how each is recognized, what it can hold, and the image that is read from it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pellucid.errors import UnknownFormat
from pellucid.image.arrays import data_range_of
from pellucid.image.exif import reset_orientation, reset_xmp_orientation

SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "PNM": (".pnm", ".ppm", ".pgm", ".pbm"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
# fmt: off
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)
# fmt: on
KNOWN_FORMATS = "PNG, JPEG, TIFF, WebP, BMP, PNM, AVIF"  # those that need no optional library
DTYPES = {
    "PNG": ("uint8", "uint16"),
    "JPEG": ("uint8",),
    "TIFF": ("uint8", "uint16", "float32"),
    "WebP": ("uint8",),
    "BMP": ("uint8",),
    "PNM": ("uint8", "uint16"),
    "AVIF": ("uint8",),
    "HEIF": ("uint8", "uint16"),
}
WITHOUT_ALPHA = ("JPEG", "PNM")
MAX_SIDE = {"JPEG": 65_500, "WebP": 16_383, "AVIF": 65_536, "HEIF": 16_384}
HEAD_BYTES = 256  # how much of a file `sniff` needs
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"FUJIFILMCCD-RAW": "RAW",
    b"FOVb": "RAW",
    b"\0MRM": "RAW",
    b"IIRO": "RAW",
    b"IIRS": "RAW",
    b"MMOR": "RAW",
    b"IIU\0": "RAW",
    b"BM": "BMP",
}
PNM_SIGNATURES = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
UNSUPPORTED_SIGNATURES = {
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"SIMPLE": "FITS",
    b"8BPS": "Photoshop",
    b"P7": "PAM",
    b"PF\n": "PFM",
    b"Pf\n": "PFM",
    b"v/1\x01": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image, or a stack of them, as stored in its file, upright.

    Attributes:
        pixels: (H, W) or (H, W, C) without alpha, of dtype uint8, uint16 or float32; of a stack (N, H, W) or
            (N, H, W, C). It may be a view of a larger array: do not change it.
        alpha: (H, W), or (N, H, W), of the same dtype, or None; straight, so colors are not premultiplied.
        icc: the color profile, or None.
        exif: the EXIF block with its leading "Exif" header, its orientation set to 1 (it is applied to the pixels), or
            None.
        dpi: (x, y) in pixels per inch, or None.
        format: a key of `SUFFIXES`, or "RAW", which can be read but not written.
        path: the file that was read.
        bit_depth: bits per sample in the file; `pixels` may have more.
        xmp: the XMP packet, its orientation set to 1, or None.
        is_stack: whether the first axis counts pages or frames.
        native: metadata that only a file of the same format can hold (page tags, chunks, tables, frame times), or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    format: str
    path: Path
    bit_depth: int
    xmp: bytes | None = None
    is_stack: bool = False
    native: Any = None

    @property
    def channel_axis(self) -> int | None:
        """-1 where the last axis holds channels, None for gray."""
        return -1 if self.pixels.ndim == 3 + self.is_stack else None

    @functools.cached_property
    def data_range(self) -> float:
        """The pixel value that stands for white, from dtype and values: see `pellucid.image.arrays.data_range_of`."""
        return data_range_of(self.pixels)


@dataclass(frozen=True, eq=False)
class Metadata:
    """The metadata of a file; the fields are those of `ImageFile`."""

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    native: Any = None

    @property
    def size(self) -> int:
        """The size of profile, EXIF block and XMP in bytes, uncompressed."""
        return sum(len(block or b"") for block in (self.icc, self.exif, self.xmp))

    def pillow_options(self) -> dict[str, Any]:
        """Return profile, EXIF block and XMP as the arguments of Pillow's `save`."""
        options = {"icc_profile": self.icc or b"", "exif": self.exif or b""}
        return options | {"xmp": self.xmp} if self.xmp else options


@dataclass(frozen=True)
class ImageData:
    """An image to be written.

    Attributes:
        samples: (H, W) or (H, W, C), of a stack (N, H, W) or (N, H, W, C); alpha is the last channel if there is one.
        has_alpha: whether there is one.
        is_stack: whether the first axis counts pages or frames.
        metadata: written with the samples.
        bit_depth: bits per sample in the file that was read; 0 if there was none.
    """

    samples: np.ndarray
    has_alpha: bool = False
    is_stack: bool = False
    metadata: Metadata = Metadata()
    bit_depth: int = 0


@dataclass(frozen=True)
class ImageSize:
    """The size of an image file, known without decoding it.

    Attributes:
        format: a key of `SUFFIXES`, or "RAW".
        height: in pixels, of the upright image.
        width: in pixels, of the upright image.
        frames: the number of pages or frames.
        channels: their number without alpha; None for a palette, which decoding turns into gray or RGB.
    """

    format: str
    height: int
    width: int
    frames: int = 1
    channels: int | None = None

    @property
    def num_values(self) -> int:
        """The number of samples without alpha; a palette counts as three channels."""
        return self.frames * self.height * self.width * (self.channels or 3)


@dataclass(frozen=True)
class StoredImage:
    """An image file whose header and metadata are read, but not its samples.

    Attributes:
        size: from the header.
        decode: reads the samples; the file must still be open.
    """

    size: ImageSize
    decode: Callable[[], ImageFile]


def sniff(path: Path, head: bytes) -> str:
    """Return the format, a key of `SUFFIXES` or "RAW", by the first bytes of a file.

    Args:
        path: for errors, and since camera raw files may differ from TIFF only in their suffix.
        head: the first `HEAD_BYTES` of the file.

    Raises:
        UnknownFormat: if the format is not supported, or the file is not an image.
    """
    for start, kind in SIGNATURES.items():
        if head.startswith(start):
            return kind
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        is_raw = head[8:10] == b"CR" or path.suffix.lower() in RAW_SUFFIXES
        return "RAW" if is_raw else "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] in PNM_SIGNATURES and (head[2:3].isspace() or head[2:3] == b"#"):
        return "PNM"
    if head[6:14] == b"HEAPCCDR":
        return "RAW"
    if head[4:8] == b"ftyp":
        return _sniff_container(path, head)
    for start, name in UNSUPPORTED_SIGNATURES.items():
        if head.startswith(start):
            _refuse(path, name)
    if head[128:132] == b"DICM":
        _refuse(path, "DICOM")
    raise UnknownFormat(f"{path} is not an image of a format that is supported: give one of {KNOWN_FORMATS}")


def _sniff_container(path: Path, head: bytes) -> str:
    """Return the format of a file of MPEG-4 boxes by its brands (ISO/IEC 14496-12, section 4.3)."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    if b"crx " in brands:
        return "RAW"
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & HEIF_BRANDS:
        return "HEIF"
    _refuse(path, "video")


def _refuse(path: Path, name: str) -> NoReturn:
    raise UnknownFormat(f"{path} is a {name} file, which is not supported: convert it to one of {KNOWN_FORMATS}")


def make_image_file(
    path: Path, kind: str, samples: np.ndarray, has_alpha: bool, depth: int, metadata: Metadata, is_stack: bool = False
) -> ImageFile:
    """Split off the alpha channel, turn the image upright and return the `ImageFile`.

    Args:
        path: the file that was read.
        kind: its format.
        samples: (H, W) or (H, W, C), of a stack (N, H, W) or (N, H, W, C); the alpha channel last if there is one.
        has_alpha: whether there is one.
        depth: bits per sample in the file.
        metadata: as stored; an impossible resolution is dropped.
        is_stack: whether the first axis counts pages or frames.
    """
    exif, orientation = reset_orientation(metadata.exif) if metadata.exif else (None, 1)
    samples = apply_orientation(samples, orientation, 1 if is_stack else 0)
    # Views, not copies: with copies, reading a large image with alpha would take twice the memory.
    alpha = samples[..., -1] if has_alpha else None
    pixels = samples[..., :-1] if has_alpha else samples
    if pixels.ndim == 3 + is_stack and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    across, down = map(float, metadata.dpi or (0, 0))
    if orientation >= 5:
        across, down = down, across
    resolution = (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None
    xmp = reset_xmp_orientation(metadata.xmp) if metadata.xmp else None
    return ImageFile(
        pixels, alpha, metadata.icc or None, exif, resolution, kind, path, depth, xmp, is_stack, metadata.native
    )


def make_image_size(
    kind: str, height: int, width: int, channels: int | None, metadata: Metadata, frames: int = 1
) -> ImageSize:
    """Return the size of the upright image from the size as stored.

    Args:
        kind: the format.
        height: of the stored image in pixels.
        width: of the stored image in pixels.
        channels: without alpha; None if only decoding shows it.
        metadata: its EXIF block gives the orientation.
        frames: the number of pages or frames.
    """
    is_rotated = metadata.exif is not None and reset_orientation(metadata.exif)[1] >= 5
    height, width = (width, height) if is_rotated else (height, width)
    return ImageSize(kind, height, width, frames, channels)


def apply_orientation(samples: np.ndarray, orientation: int, rows: int = 0) -> np.ndarray:
    """Return an upright view of samples stored with an EXIF orientation (1 to 8; CIPA DC-008, tag 274).

    Args:
        samples: an array of any number of axes, rows directly before columns.
        orientation: as stored.
        rows: the index of the axis of rows.
    """
    before: tuple[slice, ...] = (slice(None),) * rows
    if orientation >= 5:
        samples = samples.swapaxes(rows, rows + 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[(*before, slice(None, None, -1))]
    if orientation in (2, 3, 6, 7):
        samples = samples[(*before, slice(None), slice(None, None, -1))]
    return samples
