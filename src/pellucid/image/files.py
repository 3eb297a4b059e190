"""Read, list and write image files and streams; a file is written completely or not at all."""

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from pellucid.errors import PellucidError, TooLarge
from pellucid.image import avif, bmp, heif, jpeg, png, pnm, raw, tiff, tiff_writer, webp
from pellucid.image.animation import KINDS, Animation
from pellucid.image.formats import (
    DTYPES,
    HEAD_BYTES,
    MAX_SIDE,
    RAW_SUFFIXES,
    SUFFIXES,
    WITHOUT_ALPHA,
    ImageData,
    ImageFile,
    ImageSize,
    Metadata,
    StoredImage,
    sniff,
)
from pellucid.image.guards.limits import ReadLimits
from pellucid.utils.atomic_write import atomic_write, error_reason

READERS: dict[str, Callable[[BinaryIO, Path, ReadLimits], StoredImage]] = {
    "PNG": png.open_image,
    "JPEG": jpeg.open_image,
    "TIFF": tiff.open_image,
    "WebP": webp.open_image,
    "BMP": bmp.open_image,
    "PNM": pnm.open_image,
    "AVIF": avif.open_image,
    "HEIF": heif.open_image,
    "RAW": raw.open_image,
}
Result = TypeVar("Result")
WRITERS: dict[str, Callable[[BinaryIO, ImageData], None]] = {
    "PNG": png.write,
    "JPEG": jpeg.write,
    "TIFF": tiff_writer.write,
    "WebP": webp.write,
    "BMP": bmp.write,
    "PNM": pnm.write,
    "AVIF": avif.write,
    "HEIF": heif.write,
}


def read_image(
    source: str | Path | BinaryIO,
    max_pixels: int = ReadLimits.max_pixels,
    max_frames: int = ReadLimits.max_frames,
    limit_name: str = "max_pixels",
    max_text: int = ReadLimits.max_text,
) -> ImageFile:
    """Read an image file at its full bit depth.

    The content decides about the format, not the name. Size and number of frames are checked from the header before
    anything is decoded. Alpha is split off, the EXIF orientation is applied, palettes and CMYK become RGB, one-bit
    images 0 and 255. The pages of a TIFF and the frames of an animation become a stack.

    Decoding holds the compressed file and the image in memory. BMP, AVIF, HEIC, raw files, CMYK, palettes, TIFF stored
    as one compressed strip and TIFF with premultiplied alpha need more, two to four times the image.

    Args:
        source: a PNG, JPEG, TIFF, WebP, BMP or PNM file; AVIF, HEIC and camera raw files, if their library is
            installed. Or a binary stream, such as `sys.stdin.buffer`, which is read to its end and left open.
        max_pixels: the maximum number of pixels, height times width times frames.
        max_frames: the maximum number of pages or frames; 1 refuses stacks.
        limit_name: what an error calls `max_pixels`, such as the option that sets it.
        max_text: the maximum size of profile, EXIF, XMP and texts in bytes, uncompressed.

    Raises:
        PellucidError: if the file cannot be read, for any reason; the message is one line with the file and the remedy.
    """
    return _read(source, ReadLimits(max_pixels, max_frames, limit_name, max_text), lambda stored: stored.decode())


def image_size(
    source: str | Path | BinaryIO,
    max_pixels: int = ReadLimits.max_pixels,
    max_frames: int = ReadLimits.max_frames,
    limit_name: str = "max_pixels",
) -> ImageSize:
    """Return the size of an image file from its header, without decoding it; it equals that of the decoded image.

    Args:
        source: as for `read_image`.
        max_pixels: as for `read_image`.
        max_frames: as for `read_image`.
        limit_name: as for `read_image`.

    Raises:
        PellucidError: if the header cannot be read or exceeds a limit; damage behind it is not found.
    """
    return _read(source, ReadLimits(max_pixels, max_frames, limit_name), lambda stored: stored.size)


def _read(source: str | Path | BinaryIO, limits: ReadLimits, result: Callable[[StoredImage], Result]) -> Result:
    path = Path(source) if isinstance(source, str | Path) else _name_of(source)
    try:
        with _open_seekable(source, path, limits) as stream, _silence_warnings():
            head = stream.read(HEAD_BYTES)
            if not head:
                raise PellucidError(f"{path} is empty (0 bytes): get the file again")
            kind = sniff(path, head)
            stream.seek(0)
            return result(READERS[kind](stream, path, limits))
    except PellucidError:
        raise
    except FileNotFoundError:
        raise PellucidError(f"{path} does not exist: check its name") from None
    except IsADirectoryError:
        raise PellucidError(f"{path} is a folder: name a file in it") from None
    except PermissionError:
        raise PellucidError(f"{path} may not be read: change its permissions") from None
    except MemoryError:
        raise TooLarge(f"{path} does not fit into memory: crop it, or close other programs") from None
    except Exception as error:
        # Each decoder raises its own errors, and a damaged file can raise any of them.
        raise PellucidError(f"{path} is cut short or damaged ({_short_message(error)}): get the file again") from error


def write_image(
    target: str | Path | BinaryIO,
    pixels: np.ndarray,
    like: ImageFile | None = None,
    overwrite: bool = False,
    format: str | None = None,
) -> None:
    """Write an image or a stack of images, completely or not at all.

    PNG, TIFF, WebP, BMP and PNM are written without loss. JPEG is written with full chroma resolution and the finer
    quantization steps of quality 97 and `like`; AVIF and HEIC at quality 95.

    Args:
        target: a path, whose suffix names the format, or a binary stream, such as `sys.stdout.buffer`, which gets all
            bytes at the end and is left open.
        pixels: (H, W) or (H, W, C), uint8, uint16 or float32, where the format can hold it; a stack (N, H, W) or
            (N, H, W, C) if `like` is one.
        like: the file whose alpha, profile, EXIF block and resolution are written too and, if the format is the same,
            its `native` metadata. A color profile is not written to a gray image, nor the reverse.
        overwrite: whether an existing file is replaced.
        format: a key of `SUFFIXES`, instead of the path's suffix; for a stream the default is `written_format(like)`.

    Raises:
        PellucidError: if the file exists, the format cannot hold the image, or the writing fails.
    """
    path = Path(target) if isinstance(target, str | Path) else _name_of(target)
    if format is None:
        format = _format_of(path) if isinstance(target, str | Path) else written_format(like)
    if isinstance(target, str | Path) and not overwrite and path.exists():
        raise PellucidError(f"{path} exists: choose another name, or ask to overwrite it")
    image = _image_data(path, format, np.asarray(pixels), like)
    try:
        if isinstance(target, str | Path):
            with atomic_write(path) as temporary, temporary.open("w+b") as stream:
                WRITERS[format](stream, image)
        else:
            content = io.BytesIO()
            WRITERS[format](content, image)
            _copy_to(content, target, path)
    except PellucidError as error:
        if str(path) in str(error):
            raise
        raise PellucidError(f"cannot write {path}: {error}") from error
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # Each writer raises its own errors about odd metadata.
        raise PellucidError(
            f"cannot write {path} ({_short_message(error)}): the metadata of its source may be damaged; "
            "write another format"
        ) from error


def written_format(like: ImageFile | None) -> str:
    """Return the format in which an image is written to a stream: its own, but TIFF for raw files, PNG for deep AVIF.

    Args:
        like: the image that was read.

    Raises:
        PellucidError: if `like` is None.
    """
    if like is None:
        raise PellucidError(f"cannot write to a stream without a format: name one of {', '.join(SUFFIXES)}")
    deep_avif = like.format == "AVIF" and like.bit_depth > 8
    return "PNG" if deep_avif else "TIFF" if like.format == "RAW" else like.format


def list_images(folder: str | Path, recursive: bool = False) -> tuple[Path, ...]:
    """Return the image files in a folder by their suffixes, sorted, without hidden files.

    Args:
        folder: to search.
        recursive: whether to search its subfolders too.

    Raises:
        PellucidError: if the folder is missing or has no images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PellucidError(f"{folder} is not a folder: name a folder with images")
    suffixes = {suffix for group in SUFFIXES.values() for suffix in group}.union(RAW_SUFFIXES)
    candidates = folder.rglob("*") if recursive else folder.iterdir()
    found = [
        path
        for path in candidates
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        deeper = "" if recursive else " itself (folders in it were not searched)"
        known = " ".join(sorted(suffixes.difference(RAW_SUFFIXES)))
        raise PellucidError(f"no images in {folder}{deeper}: put files there with one of {known}")
    return tuple(sorted(found))


@contextmanager
def _silence_warnings() -> Iterator[None]:
    """Hide Pillow's warnings about metadata that it ignores, which can be thousands."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _short_message(error: Exception) -> str:
    """Return the message of an error on one line, without characters that control a terminal."""
    message = " ".join(str(error).split())[:200] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in message)


def _name_of(stream: BinaryIO) -> Path:
    """Return the name of a stream for errors."""
    name = getattr(stream, "name", None)
    return Path(name if isinstance(name, str) else "the stream")


@contextmanager
def _open_seekable(source: str | Path | BinaryIO, path: Path, limits: ReadLimits) -> Iterator[BinaryIO]:
    """Yield a seekable stream at its start; a pipe is read into memory."""
    if isinstance(source, str | Path):
        with path.open("rb") as stream:
            if stream.seekable():
                limits.check_bytes(path, os.fstat(stream.fileno()).st_size)
                yield stream
            else:
                yield _buffer(stream, path, limits)
    else:
        yield _buffer(source, path, limits)


def _buffer(source: BinaryIO, path: Path, limits: ReadLimits) -> BinaryIO:
    data = source.read(limits.max_bytes + 1)
    limits.check_bytes(path, len(data))
    return io.BytesIO(data)


def _copy_to(content: io.BytesIO, target: BinaryIO, path: Path) -> None:
    try:
        target.write(content.getbuffer())
        target.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PellucidError(f"cannot write {path}: {error_reason(error)}") from error


def _format_of(path: Path) -> str:
    for kind, suffixes in SUFFIXES.items():
        if path.suffix.lower() in suffixes:
            return kind
    if path.suffix.lower() in RAW_SUFFIXES:
        raise PellucidError(f"cannot write {path}: camera raw files are only read; write TIFF or PNG")
    known = " ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    raise PellucidError(f'cannot write {path}: no format has the suffix "{path.suffix}"; use one of {known}')


def _image_data(path: Path, kind: str, samples: np.ndarray, like: ImageFile | None) -> ImageData:
    """Return the samples and metadata to write; raise PellucidError if the format cannot hold them."""
    metadata, is_stack, depth = Metadata(), samples.ndim == 4, 0
    has_alpha = like is not None and like.alpha is not None
    if like is not None:
        is_stack, depth = like.is_stack, like.bit_depth
        same_channels = (like.channel_axis is None) == (samples.ndim == 2 + is_stack)
        native = like.native if kind == like.format else None
        metadata = Metadata(like.icc if same_channels else None, like.exif, like.dpi, like.xmp, native)
    _check_fit(path, kind, samples, has_alpha, is_stack)
    if is_stack and kind != "TIFF" and not isinstance(metadata.native, Animation):
        remedy = "write TIFF" if kind not in KINDS else f"write TIFF (only an animated {kind} becomes one again)"
        raise PellucidError(f"cannot write {path}: {kind} holds one image, not a stack of {len(samples)}; {remedy}")
    if samples.ndim == 3 + is_stack and samples.shape[-1] == 1:
        samples = samples[..., 0]
    if like is not None and like.alpha is not None:
        samples = _with_alpha(path, samples, like.alpha, is_stack)
    return ImageData(samples, has_alpha, is_stack, metadata, depth)


def _with_alpha(path: Path, samples: np.ndarray, alpha: np.ndarray, is_stack: bool) -> np.ndarray:
    """Return the samples with alpha as the last channel, scaled to their dtype."""
    axes = 2 + is_stack
    if alpha.shape != samples.shape[:axes]:
        sizes = ["x".join(map(str, reversed(shape))) for shape in (alpha.shape, samples.shape[:axes])]
        raise PellucidError(f"cannot write {path}: the alpha channel is {sizes[0]}, the image {sizes[1]}; crop neither")
    if alpha.dtype != samples.dtype:
        full = [np.iinfo(dtype).max if dtype.kind == "u" else 1.0 for dtype in (alpha.dtype, samples.dtype)]
        scaled = alpha * (full[1] / full[0])
        alpha = (np.rint(scaled) if samples.dtype.kind == "u" else scaled).astype(samples.dtype)
    colors = samples[..., None] if samples.ndim == axes else samples
    return np.concatenate([colors, alpha[..., None]], axis=-1)


def _check_fit(path: Path, kind: str, samples: np.ndarray, has_alpha: bool, is_stack: bool) -> None:
    """Raise PellucidError if the format cannot hold the samples."""
    if kind not in DTYPES:
        raise PellucidError(f'cannot write {path}: no format is called "{kind}"; use one of {", ".join(DTYPES)}')
    shape, formats = samples.shape, [name for name, dtypes in DTYPES.items() if samples.dtype in dtypes]
    if kind not in formats:
        formats = [name for name in formats if name not in ("AVIF", "HEIF")]
        remedy = f"write {' or '.join(formats)}" if formats else "convert it to uint8, uint16 or float32"
        raise PellucidError(f"cannot write {path}: {kind} holds no {samples.dtype} samples; {remedy}")
    if has_alpha and kind in WITHOUT_ALPHA:
        raise PellucidError(f"cannot write {path}: {kind} holds no alpha channel; write PNG, TIFF or WebP")
    axes = len(shape) - is_stack
    channels = shape[-1] if axes == 3 else 1
    if axes not in (2, 3) or 0 in shape or (kind != "TIFF" and channels not in (1, 3)):
        raise PellucidError(f"cannot write {path}: {kind} holds no array of shape {shape}; give (H, W) or (H, W, 3)")
    height, width = shape[is_stack : is_stack + 2]
    if max(height, width) > MAX_SIDE.get(kind, 1 << 31):
        raise PellucidError(f"cannot write {path}: {width}x{height} is too large for {kind}; write PNG or TIFF")
