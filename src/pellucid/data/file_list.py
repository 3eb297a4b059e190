"""The list of a user's own image files as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pellucid.data.file_list_types import Entry, FileList
from pellucid.errors import PellucidError, UsageError
from pellucid.utils.atomic_write import atomic_write

__all__ = ["Entry", "FileList", "read_file_list", "write_file_list"]


def read_file_list(path: str | Path) -> FileList:
    """Read what `write_file_list` wrote; relative names in it, of an edited list, start at the list's own folder.

    Raises:
        PellucidError: if the file cannot be read.
        UsageError: if it is no list of files, naming the key that is missing, unknown or wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror
        raise PellucidError(f"cannot read the list of files {path}: {reason}; give the one that train wrote") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no list of files: give the files.json that train wrote") from error
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is no JSON file ({error}): give the files.json that train wrote") from error
    try:
        tables = _table(FileList, found, "the list")
        entries = tuple(_entry(part, number, path.parent) for number, part in enumerate(_list(tables, "entries")))
        left_out = tuple((str(file), str(why)) for file, why in _list(tables, "left_out"))
        return FileList(**(tables | {"entries": entries, "left_out": left_out}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def write_file_list(path: str | Path, files: FileList) -> None:
    """Write a list of files as JSON, whole or not at all.

    Raises:
        PellucidError: if it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(files), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _entry(value: Any, number: int, folder: Path) -> Entry:
    table = _table(Entry, value, f"entries[{number}]")
    for name in ("noisy", "clean", "second"):
        if isinstance(table[name], str):
            table[name] = str(folder / table[name])
    return Entry(**table)


def _table(kind: type, value: Any, name: str) -> dict[str, Any]:
    """Return a table that has all keys of a dataclass and no other; raises ValueError naming a key that is wrong."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {value!r}, it must be a table")
    known = kind.__dataclass_fields__
    for key in [*(key for key in known if key not in value), *(key for key in value if key not in known)]:
        raise ValueError(
            f'{name} {"lacks the" if key in known else "has the unknown"} key "{key}": write it anew by train'
        )
    return dict(value)


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(table[key], list):
        raise ValueError(f"{key} is {table[key]!r}, it must be a list")
    return table[key]
