"""Word error rate: edits between a text that was read and the true one, relative to its words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.edits import rates


@dataclass(frozen=True)
class WordError:
    """Levenshtein distance in words, divided by the reference's; above 1 where more was read than there is.

    White space counts as single blanks, and characters as Unicode's NFKC has them (`pellucid.metrics.edits.plain`). A
    set's rate is the mean weighted by the references' lengths.
    """

    kind: ClassVar[str] = "text"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 0.0

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Return one value per text, (N,) float64, for N texts and their references."""
        return rates(texts, references, by_word=True)
