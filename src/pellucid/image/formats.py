"""The formats of image files: how each is told, what it can hold, and the image that is read from it."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pellucid.errors import PellucidError, TooLarge, UnknownFormat
from pellucid.image.arrays import data_range_of
from pellucid.image.exif import upright, upright_xmp

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
KNOWN = "PNG, JPEG, TIFF, WebP, BMP, PNM, AVIF"  # what needs no reader of its own
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
LONGEST_SIDE = {"JPEG": 65_500, "WebP": 16_383, "AVIF": 65_536, "HEIF": 16_384}
HEAD = 256  # the bytes of a file that `sniff` looks at
STARTS = {
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
PNM_MARKS = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
OTHERS = {
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
            (N, H, W, C). It may be a view of a larger array, and is not to be changed.
        alpha: (H, W), or (N, H, W), of the same dtype, or None; colours are not multiplied by it.
        icc: the colour profile, or None.
        exif: the EXIF block from its mark on, its orientation set to 1 (it is applied to the pixels), or None.
        dpi: (x, y) in pixels an inch, or None.
        format: a key of `SUFFIXES`, or "RAW", which can be read but not written.
        path: where it was read.
        bit_depth: the bits a sample had in the file; `pixels` may have more.
        xmp: the XMP packet, its orientation set to 1, or None.
        is_stack: whether the first axis counts pages or frames.
        native: what only a file of the same format takes back (page tags, chunks, tables, frame times), or None.
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
        """The last axis of colours; None for gray."""
        return -1 if self.pixels.ndim == 3 + self.is_stack else None

    @functools.cached_property
    def white(self) -> float:
        """The value that stands for white, as far as the pixels tell: `pellucid.image.data_range_of` them."""
        return data_range_of(self.pixels)


@dataclass(frozen=True, eq=False)
class Metadata:
    """What a file carries beside its samples; see `ImageFile`."""

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    native: Any = None

    @property
    def size(self) -> int:
        """The bytes of profile, EXIF block and XMP, unpacked."""
        return sum(len(block or b"") for block in (self.icc, self.exif, self.xmp))


@dataclass(frozen=True)
class Sheet:
    """What is to be written.

    Attributes:
        samples: (H, W) or (H, W, C), of a stack (N, H, W) or (N, H, W, C); alpha is the last channel if there is one.
        has_alpha: whether there is one.
        is_stack: whether the first axis counts pages or frames.
        metadata: what goes along.
        bit_depth: the bits a sample had in the file that was read; 0 if none was.
    """

    samples: np.ndarray
    has_alpha: bool = False
    is_stack: bool = False
    metadata: Metadata = Metadata()
    bit_depth: int = 0


@dataclass(frozen=True)
class Budget:
    """How much a file may announce before anything of it is decoded.

    Attributes:
        max_pixels: the most pixels of all frames together.
        max_frames: the most pages or frames.
        limit_name: what errors call the first, so that it can be raised.
        max_text: the most bytes of profiles, EXIF, XMP and texts, unpacked.
    """

    max_pixels: int = 300_000_000
    max_frames: int = 10_000
    limit_name: str = "max_pixels"
    max_text: int = 256 << 20

    @property
    def most_bytes(self) -> int:
        """The size from which on a file is larger than its pixels could be in any format."""
        return 16 * self.max_pixels + (64 << 20)

    def check(self, path: Path, height: int, width: int, frames: int = 1, kind: str = "frames") -> None:
        """Raise TooLarge if a header announces more pixels than allowed, PellucidError if none."""
        if height < 1 or width < 1:
            raise PellucidError(f"{path} is damaged: its header says {width}x{height} pixels; get the file anew")
        if frames > self.max_frames:
            if self.max_frames == 1:
                raise TooLarge(f"{path} holds {frames} {kind}, one is supported here: save the {kind} one a file")
            raise TooLarge(
                f"{path} holds {frames} {kind}, more than the {self.max_frames} allowed: split it into several files"
            )
        if frames * height * width > self.max_pixels:
            times = f"{frames} {kind} of " if frames > 1 else ""
            raise TooLarge(
                f"{path} has {times}{width}x{height} = {frames * height * width / 1e6:.6g} megapixels, "
                f"more than the {self.max_pixels / 1e6:.6g} allowed: crop it, or raise {self.limit_name}"
            )

    def check_text(self, path: Path, size: int) -> None:
        """Raise TooLarge if profiles, EXIF, XMP and texts take more bytes than allowed."""
        if size > self.max_text:
            raise TooLarge(
                f"{path} carries {size} bytes of text and metadata, more than the {self.max_text} allowed: save it "
                "without them"
            )

    def check_bytes(self, path: Path, size: int) -> None:
        """Raise TooLarge if a file is larger than `most_bytes`."""
        if size > self.most_bytes:
            raise TooLarge(
                f"{path} is larger than {self.most_bytes / 1e6:.6g} MB, more than {self.max_pixels / 1e6:.6g} Mpixels "
                f"can take: crop it, or raise {self.limit_name}"
            )


def sniff(path: Path, head: bytes) -> str:
    """Return the format, a key of `SUFFIXES` or "RAW", that a file's first bytes tell.

    Raises:
        UnknownFormat: for a format that is not on the list, and for no image at all.
    """
    for start, kind in STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        is_raw = head[8:10] == b"CR" or path.suffix.lower() in RAW_SUFFIXES
        return "RAW" if is_raw else "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] in PNM_MARKS and (head[2:3].isspace() or head[2:3] == b"#"):
        return "PNM"
    if head[6:14] == b"HEAPCCDR":
        return "RAW"
    if head[4:8] == b"ftyp":
        return _container(path, head)
    for start, name in OTHERS.items():
        if head.startswith(start):
            _refuse(path, name)
    if head[128:132] == b"DICM":
        _refuse(path, "DICOM")
    raise UnknownFormat(f"{path} is not an image of a format that is supported: give one of {KNOWN}")


def _container(path: Path, head: bytes) -> str:
    """Tell apart what shares the box format of MPEG-4 (ISO/IEC 14496-12, section 4.3) by its brands."""
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
    raise UnknownFormat(f"{path} is a {name} file, which is not supported: convert it to one of {KNOWN}")


def finished(
    path: Path, kind: str, samples: np.ndarray, has_alpha: bool, depth: int, metadata: Metadata, is_stack: bool = False
) -> ImageFile:
    """Split the alpha channel off, turn the image upright and put an `ImageFile` together.

    Args:
        path: where the image was read.
        kind: the format.
        samples: (H, W) or (H, W, C), of a stack (N, H, W) or (N, H, W, C); the alpha channel last if there is one.
        has_alpha: whether there is one.
        depth: the bits a sample has in the file.
        metadata: as stored; a resolution that cannot be is dropped.
        is_stack: whether the first axis counts pages or frames.
    """
    exif, orientation = upright(metadata.exif) if metadata.exif else (None, 1)
    samples = oriented(samples, orientation, 1 if is_stack else 0)
    # Views, not copies: alpha of a large image would otherwise double what it takes to read it.
    alpha = samples[..., -1] if has_alpha else None
    pixels = samples[..., :-1] if has_alpha else samples
    if pixels.ndim == 3 + is_stack and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    across, down = map(float, metadata.dpi or (0, 0))
    if orientation >= 5:
        across, down = down, across
    resolution = (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None
    xmp = upright_xmp(metadata.xmp) if metadata.xmp else None
    return ImageFile(
        pixels, alpha, metadata.icc or None, exif, resolution, kind, path, depth, xmp, is_stack, metadata.native
    )


def oriented(samples: np.ndarray, orientation: int, rows: int = 0) -> np.ndarray:
    """Return a view turned upright from an EXIF orientation (1 to 8; CIPA DC-008, tag 274).

    Args:
        samples: any array that holds rows, then columns.
        orientation: as stored.
        rows: the axis of the rows.
    """
    before: tuple[slice, ...] = (slice(None),) * rows
    if orientation >= 5:
        samples = samples.swapaxes(rows, rows + 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[(*before, slice(None, None, -1))]
    if orientation in (2, 3, 6, 7):
        samples = samples[(*before, slice(None), slice(None, None, -1))]
    return samples
