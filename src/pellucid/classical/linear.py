"""Linear least squares: each output value from all input values."""

from dataclasses import dataclass

import numpy as np

from pellucid.classical.learned import AffineMap, LearnedBaseline, covariance, flat_pair


@dataclass(frozen=True)
class Linear(LearnedBaseline):
    """The affine map that minimizes the squared error over the training pairs: the empirical Wiener filter.

    Attributes:
        ridge: added to the variance of each input value, as a fraction of their mean variance. It keeps the solution
            finite if some values are constant, and is too small to matter otherwise.
    """

    ridge: float = 1e-6

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.ridge > 0:
            raise ValueError(f"ridge is {self.ridge}: give a small positive number, such as 1e-6")

    def fit(self, noisy: np.ndarray, clean: np.ndarray) -> AffineMap:
        """Return the map fitted to pairs, (N, C, H, W) each."""
        x, y = flat_pair(noisy, clean)
        scatter = covariance(x, x)
        scatter[np.diag_indices_from(scatter)] += self.ridge * max(np.trace(scatter) / len(scatter), 1e-12)
        weights = np.linalg.solve(scatter, covariance(x, y))
        bias = y.mean(axis=0, dtype=np.float64) - x.mean(axis=0, dtype=np.float64) @ weights
        return AffineMap(noisy.shape[1:], weights.astype(np.float32), bias.astype(np.float32))
