"""The fraction of images whose most probable class is the true one."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import label_pair


@dataclass(frozen=True)
class Accuracy:
    """1 if the label has the largest probability, else 0; as in `argmax`, the lower class wins a tie."""

    kind: ClassVar[str] = "label"
    higher_is_better: ClassVar[bool] = True
    ideal: ClassVar[float] = 1.0

    def __call__(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return 0.0 or 1.0 per image, (N,) float64, for probabilities (N, K) and integer labels (N,)."""
        probabilities, labels = label_pair(probabilities, labels)
        return (probabilities.argmax(axis=1) == labels).astype(np.float64)
