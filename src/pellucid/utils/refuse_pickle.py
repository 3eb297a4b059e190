"""Pickles told from other files by their first bytes: loading one would run what it says."""

from pathlib import Path

from pellucid.errors import PellucidError

STARTS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def refuse_pickle(path: Path, content: bytes, remedy: str) -> None:
    """Raise PellucidError, with what to do instead, if a file's content is a pickle (or a zip file, as torch's are)."""
    if content.startswith(STARTS):
        raise PellucidError(f"{path} is a pickle, which is never loaded: {remedy}")
