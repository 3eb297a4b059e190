"""Mean absolute error."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class L1:
    """Mean of |prediction - clean| over all values: less blur than the squared error (Zhao et al. 2017)."""

    on_logits: ClassVar[bool] = False

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of a prediction (N, C, H, W) against clean images of that shape."""
        return functional.l1_loss(prediction.float(), clean.float())
