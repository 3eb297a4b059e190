"""Folders: datasets in `$PELLUCID_DATA` and in the user's cache, and how folders are made."""

import os
from pathlib import Path

from pellucid.errors import PellucidError


def cache_root() -> Path:
    """Return the folder for fetched data: `$XDG_CACHE_HOME/pellucid`, or `~/.cache/pellucid`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pellucid"


def data_roots() -> tuple[Path, ...]:
    """Return the folders that hold a folder for each dataset, in the order in which they are searched."""
    chosen = os.environ.get("PELLUCID_DATA")
    return (Path(chosen), cache_root()) if chosen else (cache_root(),)


def find_data(name: str | Path) -> Path | None:
    """Return the file or folder `name` in the first of the data folders that has it, or None."""
    return next((root / name for root in data_roots() if (root / name).exists()), None)


def data_missing(data: str, name: str, content: str) -> PellucidError:
    """Return the error for data that `find_data` does not find, which asks for `content` in the folder `name`."""
    folders = ", ".join(str(root / name) for root in data_roots())
    return PellucidError(
        f"the {data} are not available: looked for {folders}; put {content} there, or set PELLUCID_DATA to a folder "
        "that has them"
    )


def make_folder(path: Path, remedy: str) -> None:
    """Make a folder and its parents if they do not exist.

    Args:
        path: of the folder.
        remedy: what the user can do if it fails, for the error.

    Raises:
        PellucidError: if the folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the folder {path}: {error.strerror}; {remedy}") from error
