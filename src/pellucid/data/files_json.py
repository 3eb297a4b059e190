"""The list of a user's own image files (files.json): files that belong together, and their split."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pellucid.data.base import DTYPES
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.utils.atomic_write import atomic_write

FORMAT = 2
Kind = Literal["pairs", "clean", "noisy", "captures"]
Split = Literal["train", "validation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SPLITS: tuple[Split, ...] = get_args(Split)
FIELDS_OF_KIND = {
    "pairs": ("noisy", "clean"),
    "clean": ("clean",),
    "noisy": ("noisy",),
    "captures": ("noisy", "second_capture"),
}


@dataclass(frozen=True)
class Entry:
    """One image, or one stack, and the files that belong to it.

    Attributes:
        noisy: the file of the noisy image, or None.
        clean: the file of the image without noise, or None.
        second_capture: the file of another noisy image of the same scene, or None.
        group: the origin of the image, such as a page, a scene or a field; all images of a group have one split.
        split: whether it is for training or validation.
        sigma: the noise level of `noisy` in [0, 1] units, estimated as when denoising, or None.
    """

    noisy: str | None
    clean: str | None
    second_capture: str | None
    group: str
    split: Split
    sigma: float | None = None


@dataclass(frozen=True)
class FileList:
    """A user's own image files.

    Attributes:
        kind: entries of "pairs" have `noisy` and `clean`, of "clean" and "noisy" one file each, of "captures" `noisy`
            and `second_capture`.
        channels: of all images.
        dtype: of all images: uint8, uint16 or float32.
        data_range: the value that becomes 1.
        entries: in the order in which they are read.
        skipped: (file, reason) of the files that cannot be used.
    """

    kind: Kind
    channels: int
    dtype: str
    data_range: float
    entries: tuple[Entry, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check the values; raises ValueError naming the key."""
        for key, value, choices in (("kind", self.kind, KINDS), ("dtype", self.dtype, DTYPES)):
            if value not in choices:
                raise ValueError(f"{key} is {value!r}, it must be one of {', '.join(choices)}")
        if isinstance(self.channels, bool) or not isinstance(self.channels, int) or self.channels < 1:
            raise ValueError(f"channels is {self.channels!r}, it must be a whole number of at least 1")
        if not _is_number(self.data_range) or self.data_range <= 0:
            raise ValueError(f"data_range is {self.data_range!r}, it must be a number above 0")
        for number, entry in enumerate(self.entries):
            self._check_entry(f"entries[{number}]", entry)

    def _check_entry(self, key: str, entry: Entry) -> None:
        for name in ("noisy", "clean", "second_capture"):
            file = getattr(entry, name)
            if not isinstance(file, str | None) or (file is None and name in FIELDS_OF_KIND[self.kind]):
                raise ValueError(f'{key}.{name} is {file!r}: name the file, since kind is "{self.kind}"')
        if entry.split not in SPLITS:
            raise ValueError(f"{key}.split is {entry.split!r}, it must be one of {', '.join(SPLITS)}")
        if entry.sigma is not None and not (_is_number(entry.sigma) and entry.sigma >= 0):
            raise ValueError(f"{key}.sigma is {entry.sigma!r}, it must be a number of at least 0, or null")


def read_file_list(path: str | Path) -> FileList:
    """Read a list that `write_file_list` wrote; relative names in an edited one start at the folder of the list.

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
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is no JSON file ({error}): give the files.json that train wrote") from error
    try:
        if isinstance(content, dict) and content.pop("format", 1) == 1:
            raise OldFormat(path, "list of files")
        table = _table(FileList, content, "the list")
        entries = tuple(_entry(part, number, path.parent) for number, part in enumerate(_list(table, "entries")))
        skipped = tuple((str(file), str(reason)) for file, reason in _list(table, "skipped"))
        return FileList(**(table | {"entries": entries, "skipped": skipped}))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def write_file_list(path: str | Path, files: FileList) -> None:
    """Write a list of files as JSON, completely or not at all.

    Raises:
        PellucidError: if it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(
            json.dumps({"format": FORMAT} | asdict(files), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def _entry(value: Any, number: int, folder: Path) -> Entry:
    table = _table(Entry, value, f"entries[{number}]")
    for name in ("noisy", "clean", "second_capture"):
        if isinstance(table[name], str):
            table[name] = str(folder / table[name])
    return Entry(**table)


def _table(kind: type, value: Any, name: str) -> dict[str, Any]:
    """Return a table with all keys of a dataclass and no others; raises ValueError naming a wrong key."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {value!r}, it must be a table")
    known = kind.__dataclass_fields__
    for key in [*(key for key in known if key not in value), *(key for key in value if key not in known)]:
        problem = "lacks the" if key in known else "has the unknown"
        raise ValueError(f'{name} {problem} key "{key}": let train write the list again')
    return dict(value)


def _list(table: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(table[key], list):
        raise ValueError(f"{key} is {table[key]!r}, it must be a list")
    return table[key]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
