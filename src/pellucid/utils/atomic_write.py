"""Write files atomically: completely or not at all."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pellucid.errors import PellucidError

TEMPORARY_NAME = re.compile(r"\.pellucid-[0-9a-f]{16}(\..*)?")
REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another folder",
    errno.EACCES: "its folder may not be written to; change its permissions, or choose another folder",
    errno.EPERM: "its folder may not be written to; change its permissions, or choose another folder",
    errno.EROFS: "its folder is read-only; choose another folder",
    errno.ENOENT: "its folder does not exist; create it first",
    errno.ENOTDIR: "a part of its folder's path is a file; choose another folder",
    errno.EISDIR: "it is a folder; name a file",
    errno.ENAMETOOLONG: "its name is too long; choose a shorter one",
}


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield the path of a temporary file in the same folder, which replaces `path` if the block succeeds.

    Readers see the old file or the complete new one. If the block fails or is interrupted, the temporary file is
    removed and the old file stays.

    Example:
        with atomic_write("figures.json") as temporary:
            temporary.write_text("{}")

    Raises:
        PellucidError: if the disk is full or the folder cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise PellucidError(f"cannot write {path}: {REMEDIES[errno.EISDIR]}")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise PellucidError(f"cannot write {path}: it is a device or a pipe; name a file")
    temporary = path.parent / f".pellucid-{secrets.token_hex(8)}{path.suffix}"
    try:
        # Created before the block, so that it fails before any work if the folder is not writable; the umask applies.
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
        raise PellucidError(f"cannot write {path}: {error_reason(error)}") from error
    except Exception as error:
        # Writers in other languages (safetensors) raise their own errors with the text of the system.
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            if os.strerror(number) in str(error):
                reason = error_reason(OSError(number, os.strerror(number)))
                raise PellucidError(f"cannot write {path}: {reason}") from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path) -> None:
    """Remove the temporary files of killed processes from a folder; no process may be writing there now."""
    for path in Path(folder).glob(".*"):
        if TEMPORARY_NAME.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def error_reason(error: OSError) -> str:
    """Return the cause of a failed write and the remedy, in one line."""
    known = REMEDIES.get(error.errno or 0)
    return known or f"{' '.join(str(error.strerror or error).split())}; choose another folder, or free some space"
