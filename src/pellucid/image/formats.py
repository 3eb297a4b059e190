"""PNG, JPEG, WebP, BMP and PNM: their headers, samples and metadata.

PNG goes through imagecodecs and PNM through this module, since Pillow cuts their 16-bit colour to 8 bits.
"""

import io
import re
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError

SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "TIFF": (".tif", ".tiff"),
    "WebP": (".webp",),
    "BMP": (".bmp",),
    "PNM": (".pnm", ".ppm", ".pgm", ".pbm"),
}
KNOWN = ", ".join(SUFFIXES)
DTYPES = {
    "PNG": ("uint8", "uint16"),
    "JPEG": ("uint8",),
    "TIFF": ("uint8", "uint16", "float32"),
    "WebP": ("uint8",),
    "BMP": ("uint8",),
    "PNM": ("uint8", "uint16"),
}
WITHOUT_ALPHA = ("JPEG", "BMP", "PNM")
LONGEST_SIDE = {"JPEG": 65_500, "WebP": 16_383}
PLUGINS = {"PNG": "PngImageFile", "JPEG": "JpegImageFile", "WebP": "WebPImageFile", "BMP": "BmpImageFile"}
PNM_MARKS = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
PNM_HEADER = rb"(?:\s|#[^\n]*\n)+([0-9]{1,9})"
OTHERS = {b"GIF8": "GIF", b"%PDF": "PDF", b"%!PS": "PostScript", b"SIMPLE": "FITS", b"8BPS": "Photoshop"}
EXIF_MARK = b"Exif\x00\x00"
ORIENTATION = 0x0112


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as stored in its file, upright.

    Attributes:
        pixels: (H, W) or (H, W, C) without alpha, of dtype uint8, uint16 or float32.
        alpha: (H, W) of the same dtype, or None; colours are not multiplied by it.
        icc: the colour profile, or None.
        exif: the EXIF block from its mark on, its orientation set to 1 (it is applied to the pixels), or None.
        dpi: (x, y) in pixels an inch, or None.
        format: a key of `SUFFIXES`.
        path: where it was read.
        bit_depth: the bits a sample had in the file; `pixels` may have more.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    exif: bytes | None
    dpi: tuple[float, float] | None
    format: str
    path: Path
    bit_depth: int


@dataclass(frozen=True, eq=False)
class Metadata:
    """What a file carries beside its samples; see `ImageFile`."""

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None


def sniff(path: Path, head: bytes) -> str:
    """Return the format, a key of `SUFFIXES`, that a file's first bytes tell.

    Raises:
        PellucidError: for a format that is not on the list, and for no image at all.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] in PNM_MARKS and head[2:3].isspace():
        return "PNM"
    if head.startswith(b"BM"):
        return "BMP"
    for start, name in OTHERS.items():
        if head.startswith(start):
            raise PellucidError(f"{path} is a {name} file, which is not supported: convert it to one of {KNOWN}")
    raise PellucidError(f"{path} is not an image of a format that is supported: give one of {KNOWN}")


def check_budget(path: Path, height: int, width: int, max_pixels: int) -> None:
    """Raise PellucidError if a header announces no pixels, or more than allowed."""
    if height < 1 or width < 1:
        raise PellucidError(f"{path} is damaged: its header says {width}x{height} pixels; get the file anew")
    if height * width > max_pixels:
        raise PellucidError(
            f"{path} has {width}x{height} = {height * width / 1e6:.6g} megapixels, "
            f"more than the {max_pixels / 1e6:.6g} allowed: crop it, or raise the limit (max_pixels)"
        )


def read_basic(path: Path, kind: str, max_pixels: int) -> ImageFile:
    """Read any format but TIFF; the size is checked before anything is decoded."""
    if kind == "PNM":
        return _read_pnm(path, max_pixels)
    with path.open("rb") as stream:
        head = stream.read(30)
        stream.seek(0)
        if kind == "WebP":
            check_budget(path, *_webp_size(head), max_pixels)
        picture = _opened(stream, kind)
        check_budget(path, picture.height, picture.width, max_pixels)
        frames = getattr(picture, "n_frames", 1)
        if frames > 1:
            raise PellucidError(f"{path} holds {frames} frames, one is supported: save the frames one a file")
        exif = picture.info.get("exif")
        exif = exif and EXIF_MARK + exif.removeprefix(EXIF_MARK)
        metadata = Metadata(picture.info.get("icc_profile"), exif, picture.info.get("dpi"))
        if kind == "PNG":
            stream.seek(0)
            pixels, depth = _png_samples(stream.read(), palette=head[25] == 3), head[24]
        else:
            depth = 1 if picture.mode == "1" else 8
            if picture.mode == "CMYK":
                metadata = replace(metadata, icc=None)
            pixels = _pillow_samples(picture)
        return finished(path, kind, pixels, pixels.shape[2:] in ((2,), (4,)), depth, metadata)


def finished(path: Path, kind: str, samples: np.ndarray, has_alpha: bool, depth: int, metadata: Metadata) -> ImageFile:
    """Split the alpha channel off, turn the image upright and put an `ImageFile` together.

    Args:
        path: where the image was read.
        kind: the format.
        samples: (H, W) or (H, W, C), the alpha channel last if there is one.
        has_alpha: whether there is one.
        depth: the bits a sample has in the file.
        metadata: as stored; a resolution that cannot be is dropped.
    """
    exif, orientation = upright(metadata.exif) if metadata.exif else (None, 1)
    samples = oriented(samples, orientation)
    alpha = np.ascontiguousarray(samples[..., -1]) if has_alpha else None
    pixels = samples[..., :-1] if has_alpha else samples
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    across, down = map(float, metadata.dpi or (0, 0))
    if orientation >= 5:
        across, down = down, across
    resolution = (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None
    return ImageFile(np.ascontiguousarray(pixels), alpha, metadata.icc, exif, resolution, kind, path, depth)


def oriented(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Return (H, W, ...) samples turned upright from an EXIF orientation (1 to 8; CIPA DC-008, tag 274)."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def upright(exif: bytes) -> tuple[bytes, int]:
    """Return an EXIF block with its orientation set to 1, all else untouched, and the orientation that it had."""
    block = bytearray(exif)
    start = len(EXIF_MARK)
    order = "<" if block[start : start + 2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", block, start + 4)
        (entries,) = struct.unpack_from(f"{order}H", block, start + directory)
        for index in range(entries):
            entry = start + directory + 2 + 12 * index
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
            if tag == ORIENTATION and kind == 3 and 1 <= value <= 8:
                struct.pack_into(f"{order}H", block, entry + 8, 1)
                return bytes(block), value
    except struct.error:
        pass
    return exif, 1


def cmyk_to_rgb(picture: Any, icc: bytes | None) -> Any:
    """Return a Pillow CMYK picture in sRGB, by its profile if it has a usable one."""
    from PIL import ImageCms

    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass
    return picture.convert("RGB")


def encode_basic(kind: str, samples: np.ndarray, metadata: Metadata) -> bytes:
    """Return the bytes of a file of any format but TIFF; samples are (H, W) or (H, W, 1 to 4), alpha last."""
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[..., 0]
    if kind == "PNM":
        mark, top = ("P5" if samples.ndim == 2 else "P6"), np.iinfo(samples.dtype).max
        header = f"{mark}\n{samples.shape[1]} {samples.shape[0]}\n{top}\n"
        return header.encode() + samples.astype(samples.dtype.newbyteorder(">")).tobytes()
    if kind == "PNG":
        import imagecodecs

        png = bytes(imagecodecs.png_encode(np.ascontiguousarray(samples)))
        return png[:33] + _png_chunks(metadata) + png[33:]
    from PIL import Image

    if samples.shape[2:] == (2,):
        samples = samples[..., (0, 0, 0, 1)]
    # No chroma subsampling in JPEG and no loss in WebP: what the denoiser kept is not for the codec to take.
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WebP": {"lossless": True, "exact": True}, "BMP": {}}[kind]
    if kind != "BMP":
        options |= {"icc_profile": metadata.icc or b"", "exif": metadata.exif or b""}
    if metadata.dpi:
        options["dpi"] = metadata.dpi
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(stream, kind, **options)
    return stream.getvalue()


def _opened(stream: Any, kind: str) -> Any:
    """Return Pillow's picture with only the header read, without the pixel limit that `check_budget` replaces."""
    from importlib import import_module

    name = PLUGINS[kind]
    return getattr(import_module(f"PIL.{name.replace('ImageFile', 'ImagePlugin')}"), name)(stream)


def _webp_size(head: bytes) -> tuple[int, int]:
    """Return (height, width) from the first 30 bytes (RFC 9649, sections 2.5 to 2.7)."""
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    return int.from_bytes(head[28:30], "little") & 0x3FFF, int.from_bytes(head[26:28], "little") & 0x3FFF


def _png_samples(data: bytes, palette: bool) -> np.ndarray:
    import imagecodecs

    samples = imagecodecs.png_decode(data)
    colours = samples[..., :3]
    if palette and samples.ndim == 3 and (colours == colours[..., :1]).all():
        return samples[..., (0, 3)] if samples.shape[2] == 4 else samples[..., 0]
    return samples


def _pillow_samples(picture: Any) -> np.ndarray:
    """Return (H, W) or (H, W, C) uint8 samples: palettes and CMYK as colour, one-bit as gray, gray palettes as gray."""
    if picture.mode == "CMYK":
        return np.asarray(cmyk_to_rgb(picture, picture.info.get("icc_profile")))
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode == "P":
        samples = np.asarray(picture.convert("RGB"))
        return samples[..., 0] if (samples == samples[..., :1]).all() else samples
    return np.asarray(picture if picture.mode in ("L", "RGB", "RGBA") else picture.convert("RGB"))


def _png_chunks(metadata: Metadata) -> bytes:
    """Return the iCCP, pHYs and eXIf chunks, which belong right after the header (PNG 3, section 11.3)."""
    chunks = []
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        metres = [round(value / 0.0254) for value in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *metres, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(EXIF_MARK)))
    return b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _read_pnm(path: Path, max_pixels: int) -> ImageFile:
    """Read P1 to P6; samples are spread over the dtype's whole range where the header names a lesser maximum."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
        mark = head[:2]
        header = re.match(PNM_HEADER * (2 if mark in (b"P1", b"P4") else 3), head[2:])
        if not header:
            raise ValueError("its header is incomplete")
        width, height, top = (*map(int, header.groups()), 1)[:3]
        check_budget(path, height, width, max_pixels)
        stream.seek(2 + header.end() + 1)
        body = stream.read()
    if not 1 <= top <= 65_535:
        raise ValueError(f"its greatest value is {top}, not 1 to 65535")
    shape = (height, width, 3) if mark in (b"P3", b"P6") else (height, width)
    samples = _pnm_samples(mark, body, shape, top)
    full = 255 if top < 256 else 65_535
    if top != full:
        samples = np.rint(np.minimum(samples, top) * (full / top))
    samples = samples.astype(np.uint8 if full == 255 else np.uint16)
    return finished(path, "PNM", samples, False, top.bit_length(), Metadata())


def _pnm_samples(mark: bytes, body: bytes, shape: tuple[int, ...], top: int) -> np.ndarray:
    """Return the samples as they are written, but for bitmaps, where a 1 is black."""
    height, width = shape[:2]
    if mark == b"P1":
        digits = np.frombuffer(b"".join(body.split()), np.uint8, height * width)
        return 1 - (digits.reshape(shape) - ord("0"))
    if mark == b"P4":
        packed = np.frombuffer(body, np.uint8, height * -(-width // 8)).reshape(height, -1)
        return 1 - np.unpackbits(packed, axis=1, count=width)
    if mark in (b"P2", b"P3"):
        return np.array(body.split(), dtype=np.int64).reshape(shape)
    return np.frombuffer(body, ">u1" if top < 256 else ">u2", int(np.prod(shape))).reshape(shape)
