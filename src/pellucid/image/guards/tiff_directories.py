"""How a TIFF lies in its file, checked before a library follows it: its chain of directories and their values.

A directory is a table of tags, each of which names its value by the place of its bytes, as the table names the next.
Nothing but care keeps a file from naming the same megabyte a thousand times, or its first page as the next.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pellucid.errors import TooLarge
from pellucid.image.formats import Budget

BIG = 43
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
KIND_OF_PAGE, SUBDIRECTORIES = 254, 330
MOST_SUBDIRECTORIES = 64
# Of every page there may be reduced copies and masks.
COPIES, COPIES_LEAST = 4, 64
# Pages may share a profile or a description, so that values may come to more than the file.
SHARED, SHARED_LEAST = 4, 1 << 20


@dataclass(frozen=True)
class _Form:
    """How numbers are packed: that of a directory's entries, an entry, and a place in the file."""

    count: struct.Struct
    entry: struct.Struct
    place: struct.Struct


def check_directories(stream: BinaryIO, path: Path, budget: Budget) -> None:
    """Walk along the pages' directories without reading their values.

    Raises:
        TooLarge: for more pages than allowed.
        ValueError: if the chain is cut or goes round in a circle, if the first page names more directories below it
            than any real file, or if the values of all together are far larger than the file.
    """
    size = stream.seek(0, os.SEEK_END)
    form, place = _form(stream)
    most_pages, copies = COPIES * budget.max_frames + COPIES_LEAST, 0
    left = SHARED * size + SHARED_LEAST
    seen: set[int] = set()
    while place:
        if place in seen:
            raise ValueError(f"its page {len(seen)} names an earlier one as the next")
        if len(seen) >= most_pages:
            raise TooLarge(f"{path} holds more than {most_pages} pages and copies of them: split it into several files")
        seen.add(place)
        entries, following = _directory(stream, form, place)
        left -= _weight(form, entries)
        if left < 0:
            raise ValueError("the values of its tags are together far larger than the file")
        copies += any(tag == KIND_OF_PAGE and any(value) for tag, _, _, value in entries)
        if copies > COPIES * (len(seen) - copies) + COPIES_LEAST:
            raise ValueError(f"{copies} of its {len(seen)} pages are copies or masks")
        if len(seen) == 1:
            _check_below(stream, form, entries, left)
        place = following


def _form(stream: BinaryIO) -> tuple[_Form, int]:
    """Return the form of a file and the place of its first directory."""
    stream.seek(0)
    head = stream.read(16).ljust(16, b"\0")
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack_from(f"{order}H", head, 2)[0] == BIG:
        form = _Form(*(struct.Struct(order + code) for code in ("Q", "HHQ8s", "Q")))
        return form, form.place.unpack_from(head, 8)[0]
    form = _Form(*(struct.Struct(order + code) for code in ("H", "HHI4s", "I")))
    return form, form.place.unpack_from(head, 4)[0]


def _directory(stream: BinaryIO, form: _Form, place: int) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """Return the entries of a directory (tag, type, count, value or its place) and the place of the next."""
    stream.seek(place)
    try:
        (count,) = form.count.unpack(stream.read(form.count.size))
        if count > 1 << 16:
            raise ValueError(f"a page at byte {place} has {count} tags")
        table = stream.read(count * form.entry.size)
        (following,) = form.place.unpack(stream.read(form.place.size))
    except struct.error:
        raise ValueError(f"a page at byte {place} is missing") from None
    return list(form.entry.iter_unpack(table)), following


def _weight(form: _Form, entries: list[tuple[int, int, int, bytes]]) -> int:
    """Return the bytes of a directory and of the values that lie elsewhere."""
    sizes = [count * TYPE_SIZES.get(kind, 1) for _, kind, count, _ in entries]
    return len(entries) * form.entry.size + sum(size for size in sizes if size > form.place.size)


def _check_below(stream: BinaryIO, form: _Form, entries: list[tuple[int, int, int, bytes]], left: int) -> None:
    """Check the directories below the first, in which a camera's raw image may lie."""
    for tag, _, count, value in entries:
        if tag != SUBDIRECTORIES:
            continue
        if count > MOST_SUBDIRECTORIES:
            raise ValueError(f"its first page names {count} directories below it")
        places = [form.place.unpack(value)[0]]
        if count > 1:
            stream.seek(places[0])
            data = stream.read(count * form.place.size)
            places = [
                place for (place,) in form.place.iter_unpack(data[: len(data) // form.place.size * form.place.size])
            ]
        for place in places:
            left -= _weight(form, _directory(stream, form, place)[0])
        if left < 0:
            raise ValueError("the values of its tags are together far larger than the file")
