"""Binary cross-entropy on logits, for clean images in [0, 1]."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class BCE:
    """Mean of log(1 + exp(z)) - z * x over all values, for logits z and clean values x, in nats."""

    on_logits: ClassVar[bool] = True

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of logits (N, C, H, W) against clean images in [0, 1] of that shape."""
        return functional.binary_cross_entropy_with_logits(prediction.float(), clean.float())
