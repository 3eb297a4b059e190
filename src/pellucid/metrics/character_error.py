"""Character error rate: the edits between a text and its reference, relative to the number of characters."""

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.errors import UsageError


@dataclass(frozen=True)
class CharacterError:
    """Levenshtein distance in characters, divided by the length of the reference; a longer text can score above 1.

    White space counts as one blank, and characters are compared in Unicode's NFKC (`normalize_text`). The rate of a set
    is the mean weighted by the lengths of the references.
    """

    kind: ClassVar[str] = "text"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 0.0

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Return one value per text, (N,) float64, for N texts and their references."""
        return error_rates(texts, references, by_word=False)


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Return the least number of insertions, deletions and replacements that turn one sequence into the other.

    V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966; computed row by
    row (Wagner and Fischer 1974).
    """
    numbers: dict[Hashable, int] = {}
    one, other = (np.array([numbers.setdefault(item, len(numbers)) for item in items]) for items in (first, second))
    positions = np.arange(len(other) + 1)
    row = positions.copy()
    for item in one:
        best = row + 1
        best[1:] = np.minimum(best[1:], row[:-1] + (other != item))
        # Insertions run along the row: each position is reached from the cheapest one before it.
        row = np.minimum.accumulate(best - positions) + positions
    return int(row[-1])


def normalize_text(text: str) -> str:
    """Return a text in Unicode's NFKC (without ligatures), each white space as one blank."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def error_rates(texts: Sequence[str], references: Sequence[str], by_word: bool) -> np.ndarray:
    """Return the edits of each text, (N,) float64, relative to the length of its reference in characters or words.

    The rate of an empty reference is the number of edits.

    Raises:
        UsageError: if the numbers of texts and references differ, or one of them is no string.
    """
    if isinstance(texts, str) or isinstance(references, str) or len(texts) != len(references):
        raise UsageError("an error rate compares a list of texts with a list of references of the same length")
    rates = np.empty(len(texts))
    for index, pair in enumerate(zip(texts, references, strict=True)):
        if not all(isinstance(text, str) for text in pair):
            raise UsageError(f"text {index + 1} or its reference is no text: give strings")
        text, reference = (normalize_text(part).split() if by_word else normalize_text(part) for part in pair)
        rates[index] = edit_distance(text, reference) / max(len(reference), 1)
    return rates
