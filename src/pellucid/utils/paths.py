"""Where data lies: `$PELLUCID_DATA` first, then the user's cache."""

import os
from pathlib import Path


def cache_root() -> Path:
    """Return the folder for fetched data: `$XDG_CACHE_HOME/pellucid`, or `~/.cache/pellucid`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pellucid"


def roots() -> tuple[Path, ...]:
    """Return the folders that hold one folder a dataset, in the order in which they are looked at."""
    chosen = os.environ.get("PELLUCID_DATA")
    return (Path(chosen), cache_root()) if chosen else (cache_root(),)
