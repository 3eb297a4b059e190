"""Charbonnier loss plus the difference of the images' gradients, which keeps edges sharp."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from pellucid.losses.charbonnier import Charbonnier


@dataclass(frozen=True)
class Edge:
    """Charbonnier loss + weight * mean difference of the horizontal and vertical gradients.

    The gradient difference is that of Mathieu, Couprie & LeCun (2016), equation 6, with exponent 1, but with the signs
    of the gradients, so that an edge of the wrong direction counts too. A blurred edge raises both terms, while it
    hardly changes the mean squared error.

    Attributes:
        weight: of the gradient difference relative to the Charbonnier loss, at least 0.
        epsilon: of the Charbonnier loss, in [0, 1] units, above 0.
    """

    weight: float = 0.5
    epsilon: float = 1e-3
    on_logits: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Raise ValueError for a negative weight or an epsilon that is not above 0."""
        if not self.weight >= 0:
            raise ValueError(f"weight = {self.weight} must be at least 0, such as 0.5")
        Charbonnier(self.epsilon)

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of a prediction (N, C, H, W), H and W at least 2, against clean images."""
        difference = prediction.float() - clean.float()
        across = difference.diff(dim=-1).abs().mean()
        down = difference.diff(dim=-2).abs().mean()
        return Charbonnier(self.epsilon)(prediction, clean) + self.weight * 0.5 * (across + down)
