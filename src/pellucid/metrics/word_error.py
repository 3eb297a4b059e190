"""Word error rate: the edits between a text and its reference, relative to the number of words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.character_error import error_rates


@dataclass(frozen=True)
class WordError:
    """Levenshtein distance in words, divided by the length of the reference; a longer text can score above 1.

    White space counts as one blank, and characters are compared in Unicode's NFKC (`normalize_text`). The rate of a set
    is the mean weighted by the lengths of the references.
    """

    kind: ClassVar[str] = "text"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 0.0

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Return one value per text, (N,) float64, for N texts and their references."""
        return error_rates(texts, references, by_word=True)
