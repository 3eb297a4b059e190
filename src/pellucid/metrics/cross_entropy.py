"""The cross-entropy of a classifier: minus the logarithm of the true class's probability, in nats."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.metrics.shapes import label_pair

MIN_PROBABILITY = 1e-7


@dataclass(frozen=True)
class CrossEntropy:
    """-ln p[label]; p is clipped to at least 1e-7, as in Keras, which the recipes' sources use."""

    kind: ClassVar[str] = "label"
    higher_is_better: ClassVar[bool] = False
    ideal: ClassVar[float] = 0.0

    def __call__(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return one loss per image, (N,) float64, for probabilities (N, K) and integer labels (N,)."""
        probabilities, labels = label_pair(probabilities, labels)
        true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        return -np.log(np.clip(true, MIN_PROBABILITY, 1.0))
