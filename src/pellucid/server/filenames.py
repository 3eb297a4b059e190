"""Names and texts from clients, made fit to be shown and sent back; none is ever a path."""

import unicodedata
from pathlib import Path
from urllib.parse import quote

from pellucid.image.formats import RAW_SUFFIXES, SUFFIXES

KNOWN_SUFFIXES = {suffix for group in SUFFIXES.values() for suffix in group}.union(RAW_SUFFIXES)
LONGEST = 200
UNNAMED = "image"


def shown(text: str) -> str:
    """Return a text as one line of letters that are seen, no longer than 200."""
    kept = (" " if unicodedata.category(letter)[0] in "ZC" else letter for letter in text[: 4 * LONGEST])
    return " ".join("".join(kept).split())[:LONGEST]


def shown_name(given: str) -> str:
    """Return what a file is called, without folders; its suffix stays where the name is cut."""
    name = given.replace("\\", "/").rpartition("/")[2]
    suffix = Path(name).suffix
    known = suffix if suffix.lower() in KNOWN_SUFFIXES else ""
    stem = shown(name.removesuffix(known))[: LONGEST - len(known)].strip(". ")
    return (stem or UNNAMED) + known


def result_name(name: str, suffix: str, mark: str = "-denoised") -> str:
    """Return what a result is called: `photo.jpg` becomes `photo-denoised.jpg`.

    Args:
        name: from `shown_name`.
        suffix: of the result's format; one that means the same, such as .jpeg, stays.
        mark: what tells it from the image.
    """
    own = Path(name).suffix
    if own.lower() not in KNOWN_SUFFIXES:
        return f"{name}{mark}{suffix}"
    group = next(group for group in SUFFIXES.values() if suffix in group)
    return f"{name.removesuffix(own)}{mark}{own if own.lower() in group else suffix}"


def disposition(name: str, kind: str = "attachment") -> str:
    """Return the header Content-Disposition for a name of any letters (RFC 6266)."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
