"""Image files: read, checked, listed, and written atomically."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from pellucid.errors import PellucidError
from pellucid.image.formats import (
    DTYPES,
    LONGEST_SIDE,
    SUFFIXES,
    WITHOUT_ALPHA,
    ImageFile,
    Metadata,
    encode_basic,
    read_basic,
    sniff,
)
from pellucid.image.tiff import read_tiff, write_tiff

REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another folder",
    errno.EACCES: "its folder may not be written to; mend the permissions, or choose another folder",
    errno.EPERM: "its folder may not be written to; mend the permissions, or choose another folder",
    errno.EROFS: "its folder is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "a part of its folder's path is a file; choose another folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}


def read_image(path: str | Path, max_pixels: int = 300_000_000) -> ImageFile:
    """Read an image file, its samples at their full depth.

    The format is told from the content, not from the name, and the size is checked from the header before anything
    is decoded. Alpha is split off, the EXIF orientation is applied, palettes and CMYK become colours, one-bit images
    0 and 255.

    Args:
        path: a PNG, JPEG, TIFF, WebP, BMP or PNM file that holds one image.
        max_pixels: the most pixels (height times width) that are accepted.

    Raises:
        PellucidError: on one line that names the file and the remedy, whatever is wrong with it.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(32)
        if not head:
            raise PellucidError(f"{path} is empty (0 bytes): get the file anew")
        kind = sniff(path, head)
        return read_tiff(path, max_pixels) if kind == "TIFF" else read_basic(path, kind, max_pixels)
    except PellucidError:
        raise
    except FileNotFoundError:
        raise PellucidError(f"{path} does not exist: check its name") from None
    except IsADirectoryError:
        raise PellucidError(f"{path} is a folder: name a file in it") from None
    except PermissionError:
        raise PellucidError(f"{path} may not be read: mend its permissions") from None
    except MemoryError:
        raise PellucidError(f"{path} does not fit into memory: crop it, or close other programs") from None
    except Exception as error:
        # Each decoder has errors of its own, and a damaged file can raise any of them.
        reason = " ".join(str(error).split())[:200]
        raise PellucidError(f"{path} is cut short or damaged ({reason}): get the file anew") from error


def write_image(path: str | Path, pixels: np.ndarray, like: ImageFile | None = None, overwrite: bool = False) -> None:
    """Write an image in the format of the path's suffix, atomically.

    JPEG is written at quality 95 without chroma subsampling, WebP and TIFF without loss.

    Args:
        path: where to; the suffix names the format.
        pixels: (H, W) or (H, W, C), uint8, uint16 or float32, where the format can hold it.
        like: the file whose alpha, profile, EXIF block and resolution are put back; the profile only onto as many
            channels as it was made for.
        overwrite: whether an existing file is replaced.

    Raises:
        PellucidError: if the file exists, the format cannot hold the image, or the writing fails.
    """
    path = Path(path)
    kind = next((kind for kind, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)
    if kind is None:
        known = " ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
        raise PellucidError(f'cannot write {path}: no format has the suffix "{path.suffix}"; use one of {known}')
    if not overwrite and path.exists():
        raise PellucidError(f"{path} exists: choose another name, or ask to overwrite it")
    samples, metadata, has_alpha = np.asarray(pixels), Metadata(), False
    if like is not None:
        same_colours = like.pixels.shape[2:] == samples.shape[2:]
        metadata = Metadata(like.icc if same_colours else None, like.exif, like.dpi)
        if like.alpha is not None:
            samples, has_alpha = _with_alpha(path, samples, like.alpha), True
    _check_fit(path, kind, samples, has_alpha)
    with atomic_write(path) as temporary:
        if kind == "TIFF":
            write_tiff(temporary, samples, has_alpha, metadata)
        else:
            temporary.write_bytes(encode_basic(kind, samples, metadata))


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder, which replaces `path` when the block ends well.

    The block writes any file there. A reader sees the old file or the whole new one, never a part; when the block
    fails or is interrupted, the temporary file is removed and the old one is untouched.

    Example:
        with atomic_write("figures.json") as temporary:
            temporary.write_text("{}")

    Raises:
        PellucidError: naming the path and the remedy, if the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise PellucidError(f"cannot write {path}: {REMEDIES[errno.EISDIR]}")
    temporary = path.parent / f".{secrets.token_hex(8)}{path.suffix}"
    try:
        # Created here rather than by the block: an unwritable folder is told before any work, and the umask applies.
        temporary.open("xb").close()
        yield temporary
        with temporary.open("r+b") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except PellucidError:
        raise
    except OSError as error:
        if error.filename is not None and Path(error.filename) != temporary:
            raise
        raise PellucidError(f"cannot write {path}: {_reason(error)}") from error
    except Exception as error:
        # Writers in other languages (safetensors) put the system's words into errors of their own.
        if os.strerror(errno.ENOSPC) in str(error):
            raise PellucidError(f"cannot write {path}: {REMEDIES[errno.ENOSPC]}") from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def list_images(folder: str | Path, recursive: bool = False) -> tuple[Path, ...]:
    """Return the image files in a folder by their suffixes, sorted; hidden ones are passed over.

    Raises:
        PellucidError: if there is no such folder, or no image in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PellucidError(f"{folder} is not a folder: name a folder with images")
    suffixes = {suffix for group in SUFFIXES.values() for suffix in group}
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
        raise PellucidError(f"no images in {folder}{deeper}: put files there with one of {' '.join(sorted(suffixes))}")
    return tuple(sorted(found))


def _with_alpha(path: Path, samples: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the samples with alpha as a last channel, scaled if their dtype is another."""
    if alpha.shape != samples.shape[:2]:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (alpha.shape, samples.shape)]
        raise PellucidError(f"cannot write {path}: the alpha channel is {sizes[0]}, the image {sizes[1]}; crop neither")
    if alpha.dtype != samples.dtype:
        full = [np.iinfo(dtype).max if dtype.kind == "u" else 1.0 for dtype in (alpha.dtype, samples.dtype)]
        scaled = alpha * (full[1] / full[0])
        alpha = (np.rint(scaled) if samples.dtype.kind == "u" else scaled).astype(samples.dtype)
    colours = samples[..., None] if samples.ndim == 2 else samples
    return np.concatenate([colours, alpha[..., None]], axis=2)


def _check_fit(path: Path, kind: str, samples: np.ndarray, has_alpha: bool) -> None:
    """Refuse what the format cannot hold."""
    shape, able = samples.shape, [name for name, dtypes in DTYPES.items() if samples.dtype in dtypes]
    if kind not in able:
        remedy = f"write {' or '.join(able)}" if able else "convert it to uint8, uint16 or float32"
        raise PellucidError(f"cannot write {path}: {kind} holds no {samples.dtype} samples; {remedy}")
    if has_alpha and kind in WITHOUT_ALPHA:
        raise PellucidError(f"cannot write {path}: {kind} holds no alpha channel; write PNG, TIFF or WebP")
    channels = (shape[2] if len(shape) == 3 else 1) - has_alpha
    if len(shape) not in (2, 3) or 0 in shape or (kind != "TIFF" and channels not in (1, 3)):
        raise PellucidError(f"cannot write {path}: {kind} holds no array of shape {shape}; give (H, W) or (H, W, 3)")
    if max(shape[:2]) > LONGEST_SIDE.get(kind, 1 << 31):
        raise PellucidError(f"cannot write {path}: {shape[1]}x{shape[0]} is too large for {kind}; write PNG or TIFF")


def _reason(error: OSError) -> str:
    known = REMEDIES.get(error.errno or 0)
    return known or f"{' '.join(str(error.strerror or error).split())}; choose another folder, or free some space"
