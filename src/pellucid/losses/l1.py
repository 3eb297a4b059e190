"""Mean absolute error."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

MIN_DIFFERENCE = 0.1 / 255


@dataclass(frozen=True)
class L1:
    """Mean of |prediction - clean| over all values: less blur than the squared error (Zhao et al. 2017).

    Attributes:
        power: the exponent of each image's mean error, before the mean over images, above 0 and up to 1. At 1 the
            images with strong noise outweigh those with weak noise; nearer 0 the same relative error counts equally in
            both, as it does in decibels.
    """

    on_logits: ClassVar[bool] = False
    power: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a power out of range."""
        if not 0 < self.power <= 1:
            raise ValueError(f"power = {self.power}: give a number above 0 and up to 1")

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of a prediction (N, C, H, W) against clean images of that shape."""
        if self.power == 1:
            return functional.l1_loss(prediction.float(), clean.float())
        errors = (prediction.float() - clean.float()).abs().flatten(1).mean(1)
        # Without the offset the gradient at 0 would be infinite.
        return (errors + MIN_DIFFERENCE).pow(self.power).mean()
