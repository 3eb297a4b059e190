"""How many edits lie between two sequences, and texts as they are compared: for the error rates of reading."""

import unicodedata
from collections.abc import Hashable, Sequence

import numpy as np

from pellucid.errors import UsageError


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the least number of insertions, deletions and replacements that turn one into the other.

    V. I. Levenshtein, Binary codes capable of correcting deletions, insertions, and reversals, 1966; computed row by
    row (Wagner and Fischer 1974).
    """
    numbers: dict[Hashable, int] = {}
    one, other = (np.array([numbers.setdefault(item, len(numbers)) for item in items]) for items in (first, second))
    places = np.arange(len(other) + 1)
    row = places.copy()
    for item in one:
        best = row + 1
        best[1:] = np.minimum(best[1:], row[:-1] + (other != item))
        # Insertions run along the row: each place is reached from the cheapest one before it.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def plain(text: str) -> str:
    """Return a text as it is compared: Unicode's NFKC (ligatures apart), all white space a single blank."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def rates(texts: Sequence[str], references: Sequence[str], by_word: bool) -> np.ndarray:
    """Return the edits of each text, (N,) float64, relative to the length of its reference in letters or words.

    The rate of an empty reference is the number of edits.

    Raises:
        UsageError: if there are not as many texts as references, or one of either is no text.
    """
    if isinstance(texts, str) or isinstance(references, str) or len(texts) != len(references):
        raise UsageError("an error rate compares a list of texts with a list of references of the same length")
    found = np.empty(len(texts))
    for place, pair in enumerate(zip(texts, references, strict=True)):
        if not all(isinstance(text, str) for text in pair):
            raise UsageError(f"text {place + 1} or its reference is no text: give strings")
        read, truth = (plain(text).split() if by_word else plain(text) for text in pair)
        found[place] = edit_distance(read, truth) / max(len(truth), 1)
    return found
