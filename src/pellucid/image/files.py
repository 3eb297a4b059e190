"""Image files and streams: read, checked, listed, and written whole or not at all."""

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pellucid.errors import PellucidError, TooLarge
from pellucid.image import avif, bmp, heif, jpeg, png, pnm, raw, tiff, tiff_writer, webp
from pellucid.image.animation import KINDS, Animation
from pellucid.image.formats import (
    DTYPES,
    HEAD,
    LONGEST_SIDE,
    RAW_SUFFIXES,
    SUFFIXES,
    WITHOUT_ALPHA,
    Budget,
    ImageFile,
    Metadata,
    Sheet,
    sniff,
)
from pellucid.utils.atomic_write import atomic_write, reason_of

READERS: dict[str, Callable[[BinaryIO, Path, Budget], ImageFile]] = {
    "PNG": png.read,
    "JPEG": jpeg.read,
    "TIFF": tiff.read,
    "WebP": webp.read,
    "BMP": bmp.read,
    "PNM": pnm.read,
    "AVIF": avif.read,
    "HEIF": heif.read,
    "RAW": raw.read,
}
WRITERS: dict[str, Callable[[BinaryIO, Sheet], None]] = {
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
    max_pixels: int = 300_000_000,
    max_frames: int = 10_000,
    limit_name: str = "max_pixels",
    max_text: int = Budget.max_text,
) -> ImageFile:
    """Read an image file, its samples at their full depth.

    The format is told from the content, not from the name, and size and frames are checked from the header before
    anything is decoded. Alpha is split off, the EXIF orientation is applied, palettes and CMYK become colours, one-bit
    images 0 and 255. The pages of a TIFF and the frames of an animation become a stack.

    While a compressed file is decoded, it is held in memory beside the image. More than that is held, twice to four
    times the image, by BMP, AVIF, HEIC, raw files, CMYK, palettes, and TIFF stored as one compressed strip or with
    colours multiplied by alpha.

    Args:
        source: a PNG, JPEG, TIFF, WebP, BMP or PNM file; AVIF, HEIC and camera raw files, if their reader is installed.
            Or a binary stream, such as `sys.stdin.buffer`, which is read to its end and left open.
        max_pixels: the most pixels (height times width times frames) that are accepted.
        max_frames: the most pages or frames; 1 refuses stacks.
        limit_name: what an error calls `max_pixels`, such as the option that sets it.
        max_text: the most bytes of profile, EXIF, XMP and texts, unpacked, checked before any pixel is decoded.

    Raises:
        PellucidError: on one line that names the file and the remedy, whatever is wrong with it.
    """
    path = Path(source) if isinstance(source, str | Path) else _name_of(source)
    budget = Budget(max_pixels, max_frames, limit_name, max_text)
    try:
        with _opened(source, path, budget) as stream, _quiet():
            head = stream.read(HEAD)
            if not head:
                raise PellucidError(f"{path} is empty (0 bytes): get the file anew")
            kind = sniff(path, head)
            stream.seek(0)
            return READERS[kind](stream, path, budget)
    except PellucidError:
        raise
    except FileNotFoundError:
        raise PellucidError(f"{path} does not exist: check its name") from None
    except IsADirectoryError:
        raise PellucidError(f"{path} is a folder: name a file in it") from None
    except PermissionError:
        raise PellucidError(f"{path} may not be read: mend its permissions") from None
    except MemoryError:
        raise TooLarge(f"{path} does not fit into memory: crop it, or close other programs") from None
    except Exception as error:
        # Each decoder has errors of its own, and a damaged file can raise any of them.
        raise PellucidError(f"{path} is cut short or damaged ({_said(error)}): get the file anew") from error


def write_image(
    target: str | Path | BinaryIO,
    pixels: np.ndarray,
    like: ImageFile | None = None,
    overwrite: bool = False,
    format: str | None = None,
) -> None:
    """Write an image, or a stack of them, whole or not at all.

    PNG, TIFF, WebP, BMP and PNM are written without loss. JPEG is written with full chroma resolution and steps as fine
    as those of quality 97 or of `like`, whichever are finer; AVIF and HEIC at quality 95.

    Args:
        target: where to: a path, whose suffix names the format, or a binary stream, such as `sys.stdout.buffer`, which
            gets the bytes once all are there and is left open.
        pixels: (H, W) or (H, W, C), uint8, uint16 or float32, where the format can hold it; a stack (N, H, W) or
            (N, H, W, C) if `like` is one.
        like: the file whose alpha, profile, EXIF block, resolution and, if the format is the same, own ways of storing
            are put back; the profile only onto as many channels as it was made for.
        overwrite: whether an existing file is replaced.
        format: a key of `SUFFIXES`, instead of the path's suffix; for a stream by default that of `like`, and TIFF for
            camera raw files.

    Raises:
        PellucidError: if the file exists, the format cannot hold the image, or the writing fails.
    """
    path = Path(target) if isinstance(target, str | Path) else _name_of(target)
    if format is None:
        format = _format_of(path) if isinstance(target, str | Path) else written_format(like)
    if isinstance(target, str | Path) and not overwrite and path.exists():
        raise PellucidError(f"{path} exists: choose another name, or ask to overwrite it")
    sheet = _sheet(path, format, np.asarray(pixels), like)
    try:
        if isinstance(target, str | Path):
            with atomic_write(path) as temporary, temporary.open("w+b") as stream:
                WRITERS[format](stream, sheet)
        else:
            whole = io.BytesIO()
            WRITERS[format](whole, sheet)
            _pour(whole, target, path)
    except PellucidError as error:
        if str(path) in str(error):
            raise
        raise PellucidError(f"cannot write {path}: {error}") from error
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # Each writer has errors of its own about metadata that are odd.
        raise PellucidError(
            f"cannot write {path} ({_said(error)}): what its source carries beside its pixels may be "
            "damaged; write another format"
        ) from error


def written_format(like: ImageFile | None) -> str:
    """Return the format in which an image goes back to a stream: its own, but TIFF for raw files, PNG for deep AVIF.

    Raises:
        PellucidError: if there is no image to tell it from.
    """
    if like is None:
        raise PellucidError(f"cannot write to a stream without a format: name one of {', '.join(SUFFIXES)}")
    deep_avif = like.format == "AVIF" and like.bit_depth > 8
    return "PNG" if deep_avif else "TIFF" if like.format == "RAW" else like.format


def list_images(folder: str | Path, recursive: bool = False) -> tuple[Path, ...]:
    """Return the image files in a folder by their suffixes, sorted; hidden ones are passed over.

    Raises:
        PellucidError: if there is no such folder, or no image in it.
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
def _quiet() -> Iterator[None]:
    """Keep what Pillow says of metadata that it passes over, a line for each of thousands of tags, to itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _said(error: Exception) -> str:
    """Return an error's words on one line, without what a terminal would take for commands."""
    words = " ".join(str(error).split())[:200] or type(error).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in words)


def _name_of(stream: BinaryIO) -> Path:
    """Return what a stream is called in errors."""
    name = getattr(stream, "name", None)
    return Path(name if isinstance(name, str) else "the stream")


@contextmanager
def _opened(source: str | Path | BinaryIO, path: Path, budget: Budget) -> Iterator[BinaryIO]:
    """Yield a stream that can be sought in, from its start; a pipe is read into memory."""
    if isinstance(source, str | Path):
        with path.open("rb") as stream:
            if stream.seekable():
                budget.check_bytes(path, os.fstat(stream.fileno()).st_size)
                yield stream
            else:
                yield _held(stream, path, budget)
    else:
        yield _held(source, path, budget)


def _held(source: BinaryIO, path: Path, budget: Budget) -> BinaryIO:
    data = source.read(budget.most_bytes + 1)
    budget.check_bytes(path, len(data))
    return io.BytesIO(data)


def _pour(whole: io.BytesIO, target: BinaryIO, path: Path) -> None:
    try:
        target.write(whole.getbuffer())
        target.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PellucidError(f"cannot write {path}: {reason_of(error)}") from error


def _format_of(path: Path) -> str:
    for kind, suffixes in SUFFIXES.items():
        if path.suffix.lower() in suffixes:
            return kind
    if path.suffix.lower() in RAW_SUFFIXES:
        raise PellucidError(f"cannot write {path}: camera raw files are only read; write TIFF or PNG")
    known = " ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    raise PellucidError(f'cannot write {path}: no format has the suffix "{path.suffix}"; use one of {known}')


def _sheet(path: Path, kind: str, samples: np.ndarray, like: ImageFile | None) -> Sheet:
    """Put together what is written, and refuse what the format cannot hold."""
    metadata, is_stack, depth = Metadata(), samples.ndim == 4, 0
    has_alpha = like is not None and like.alpha is not None
    if like is not None:
        is_stack, depth = like.is_stack, like.bit_depth
        same_colours = (like.channel_axis is None) == (samples.ndim == 2 + is_stack)
        native = like.native if kind == like.format else None
        metadata = Metadata(like.icc if same_colours else None, like.exif, like.dpi, like.xmp, native)
    _check_fit(path, kind, samples, has_alpha, is_stack)
    if is_stack and kind != "TIFF" and not isinstance(metadata.native, Animation):
        remedy = "write TIFF" if kind not in KINDS else f"write TIFF (only an animated {kind} becomes one again)"
        raise PellucidError(f"cannot write {path}: {kind} holds one image, not a stack of {len(samples)}; {remedy}")
    if samples.ndim == 3 + is_stack and samples.shape[-1] == 1:
        samples = samples[..., 0]
    if like is not None and like.alpha is not None:
        samples = _with_alpha(path, samples, like.alpha, is_stack)
    return Sheet(samples, has_alpha, is_stack, metadata, depth)


def _with_alpha(path: Path, samples: np.ndarray, alpha: np.ndarray, is_stack: bool) -> np.ndarray:
    """Return the samples with alpha as a last channel, scaled if their dtype is another."""
    axes = 2 + is_stack
    if alpha.shape != samples.shape[:axes]:
        sizes = ["x".join(map(str, reversed(shape))) for shape in (alpha.shape, samples.shape[:axes])]
        raise PellucidError(f"cannot write {path}: the alpha channel is {sizes[0]}, the image {sizes[1]}; crop neither")
    if alpha.dtype != samples.dtype:
        full = [np.iinfo(dtype).max if dtype.kind == "u" else 1.0 for dtype in (alpha.dtype, samples.dtype)]
        scaled = alpha * (full[1] / full[0])
        alpha = (np.rint(scaled) if samples.dtype.kind == "u" else scaled).astype(samples.dtype)
    colours = samples[..., None] if samples.ndim == axes else samples
    return np.concatenate([colours, alpha[..., None]], axis=-1)


def _check_fit(path: Path, kind: str, samples: np.ndarray, has_alpha: bool, is_stack: bool) -> None:
    """Refuse what the format cannot hold."""
    if kind not in DTYPES:
        raise PellucidError(f'cannot write {path}: no format is called "{kind}"; use one of {", ".join(DTYPES)}')
    shape, able = samples.shape, [name for name, dtypes in DTYPES.items() if samples.dtype in dtypes]
    if kind not in able:
        able = [name for name in able if name not in ("AVIF", "HEIF")]
        remedy = f"write {' or '.join(able)}" if able else "convert it to uint8, uint16 or float32"
        raise PellucidError(f"cannot write {path}: {kind} holds no {samples.dtype} samples; {remedy}")
    if has_alpha and kind in WITHOUT_ALPHA:
        raise PellucidError(f"cannot write {path}: {kind} holds no alpha channel; write PNG, TIFF or WebP")
    axes = len(shape) - is_stack
    channels = shape[-1] if axes == 3 else 1
    if axes not in (2, 3) or 0 in shape or (kind != "TIFF" and channels not in (1, 3)):
        raise PellucidError(f"cannot write {path}: {kind} holds no array of shape {shape}; give (H, W) or (H, W, 3)")
    height, width = shape[is_stack : is_stack + 2]
    if max(height, width) > LONGEST_SIDE.get(kind, 1 << 31):
        raise PellucidError(f"cannot write {path}: {width}x{height} is too large for {kind}; write PNG or TIFF")
