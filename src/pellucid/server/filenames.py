"""Names and texts of clients, made printable; none is ever used as a path."""

import unicodedata
from pathlib import Path
from urllib.parse import quote

from pellucid.image.formats import RAW_SUFFIXES, SUFFIXES

KNOWN_SUFFIXES = {suffix for group in SUFFIXES.values() for suffix in group}.union(RAW_SUFFIXES)
MAX_LENGTH = 200
UNNAMED = "image"


def printable(text: str) -> str:
    """Return a text as one line of printable characters, at most 200."""
    characters = (" " if unicodedata.category(letter)[0] in "ZC" else letter for letter in text[: 4 * MAX_LENGTH])
    return " ".join("".join(characters).split())[:MAX_LENGTH]


def printable_name(path: str) -> str:
    """Return the name of a file without folders, printable; where it is cut, the suffix stays."""
    name = path.replace("\\", "/").rpartition("/")[2]
    suffix = Path(name).suffix
    known = suffix if suffix.lower() in KNOWN_SUFFIXES else ""
    stem = printable(name.removesuffix(known))[: MAX_LENGTH - len(known)].strip(". ")
    return (stem or UNNAMED) + known


def result_name(name: str, suffix: str, mark: str = "-denoised") -> str:
    """Return the name of a result: `photo.jpg` becomes `photo-denoised.jpg`.

    Args:
        name: of the image, from `printable_name`.
        suffix: of the result's format; another suffix of the same format, such as .jpeg, stays.
        mark: put between name and suffix.
    """
    own = Path(name).suffix
    if own.lower() not in KNOWN_SUFFIXES:
        return f"{name}{mark}{suffix}"
    group = next(group for group in SUFFIXES.values() if suffix in group)
    return f"{name.removesuffix(own)}{mark}{own if own.lower() in group else suffix}"


def disposition(name: str, kind: str = "attachment") -> str:
    """Return the header Content-Disposition for a name with any characters (RFC 6266)."""
    ascii_name = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in name)
    return f"{kind}; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"
