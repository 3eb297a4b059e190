"""Charbonnier loss: an absolute error that is smooth at zero."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor


@dataclass(frozen=True)
class Charbonnier:
    """Mean of sqrt((prediction - clean)^2 + epsilon^2) over all values (Charbonnier et al. 1994; Lai et al. 2017).

    Attributes:
        epsilon: half-width of the smooth zone, in [0, 1] units, above 0.
    """

    epsilon: float = 1e-3
    on_logits: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise ValueError if epsilon is not above 0."""
        if not self.epsilon > 0:
            raise ValueError(f"epsilon = {self.epsilon} must be above 0, such as 0.001")

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of a prediction (N, C, H, W) against clean images of that shape."""
        difference = prediction.float() - clean.float()
        return (difference.square() + self.epsilon**2).sqrt().mean()
