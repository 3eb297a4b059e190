"""A user's own image files: what belongs together, what trains and what validates."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pellucid.data.image_set import DTYPES

Kind = Literal["pairs", "clean", "noisy", "takes"]
Part = Literal["train", "validation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PARTS: tuple[Part, ...] = get_args(Part)
FILES = {"pairs": ("noisy", "clean"), "clean": ("clean",), "noisy": ("noisy",), "takes": ("noisy", "second")}


@dataclass(frozen=True)
class Entry:
    """One image, or one stack, and the files that belong to it.

    Attributes:
        noisy: the file of the noisy take, or None.
        clean: the file without noise, or None.
        second: the file of another noisy take of the same, or None.
        group: what it was taken from, such as a page, a scene or a field; a group lies in one part alone.
        part: whether it trains or validates.
        level: the noise level of `noisy` in [0, 1] units, as it is estimated on use, or None.
    """

    noisy: str | None
    clean: str | None
    second: str | None
    group: str
    part: Part
    level: float | None = None


@dataclass(frozen=True)
class FileList:
    """A user's own image files.

    Attributes:
        kind: "pairs" have `noisy` and `clean`, "clean" and "noisy" the one file alone, "takes" `noisy` and `second`.
        channels: of all images.
        dtype: of all images: uint8, uint16 or float32.
        white: the value that becomes 1.
        entries: in the order in which they are read.
        left_out: (file, why) of what could not be used.
    """

    kind: Kind
    channels: int
    dtype: str
    white: float
    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check the values; raises ValueError naming the key."""
        for key, value, choices in (("kind", self.kind, KINDS), ("dtype", self.dtype, DTYPES)):
            if value not in choices:
                raise ValueError(f"{key} is {value!r}, it must be one of {', '.join(choices)}")
        if isinstance(self.channels, bool) or not isinstance(self.channels, int) or self.channels < 1:
            raise ValueError(f"channels is {self.channels!r}, it must be a whole number of at least 1")
        if not _is_number(self.white) or self.white <= 0:
            raise ValueError(f"white is {self.white!r}, it must be a number above 0")
        for number, entry in enumerate(self.entries):
            self._check_entry(f"entries[{number}]", entry)

    def _check_entry(self, key: str, entry: Entry) -> None:
        for name in ("noisy", "clean", "second"):
            file = getattr(entry, name)
            if not isinstance(file, str | None) or (file is None and name in FILES[self.kind]):
                raise ValueError(f'{key}.{name} is {file!r}: name the file, since kind is "{self.kind}"')
        if entry.part not in PARTS:
            raise ValueError(f"{key}.part is {entry.part!r}, it must be one of {', '.join(PARTS)}")
        if entry.level is not None and not (_is_number(entry.level) and entry.level >= 0):
            raise ValueError(f"{key}.level is {entry.level!r}, it must be a number from 0 on, or null")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
