"""Files that appear whole or not at all."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pellucid.errors import PellucidError

LEFTOVER = re.compile(r"\.pellucid-[0-9a-f]{16}(\..*)?")
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
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        raise PellucidError(f"cannot write {path}: it is a device or a pipe; name a file")
    temporary = path.parent / f".pellucid-{secrets.token_hex(8)}{path.suffix}"
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
        raise PellucidError(f"cannot write {path}: {reason_of(error)}") from error
    except Exception as error:
        # Writers in other languages (safetensors) put the system's words into errors of their own.
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            if os.strerror(number) in str(error):
                reason = reason_of(OSError(number, os.strerror(number)))
                raise PellucidError(f"cannot write {path}: {reason}") from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | Path) -> None:
    """Remove what writes left unfinished in a folder when their process was killed; no other may be writing there."""
    for path in Path(folder).glob(".*"):
        if LEFTOVER.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def reason_of(error: OSError) -> str:
    """Return the cause of a failed write and its remedy, in one line."""
    known = REMEDIES.get(error.errno or 0)
    return known or f"{' '.join(str(error.strerror or error).split())}; choose another folder, or free some space"
