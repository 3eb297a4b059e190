"""Binary cross-entropy on logits, for clean images in [0, 1]."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class BCE:
    """Mean of log(1 + exp(z)) - z * x over all values, for logits z and clean values x, in nats."""

    on_logits: ClassVar[bool] = True

    def __call__(self, prediction: Tensor, clean: Tensor) -> Tensor:
        """Return the scalar loss of logits (N, C, H, W) against clean images in [0, 1] of that shape."""
        return _CrossEntropy.apply(prediction, clean)  # pyright: ignore[reportReturnType]


class _CrossEntropy(torch.autograd.Function):
    """The loss at half the time of torch's: one sigmoid serves the value and the gradient, with few logarithms."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, clean: Tensor) -> Tensor:
        flat, target = logits.float().reshape(-1), clean.float().reshape(-1)
        probabilities = flat.sigmoid()
        ctx.save_for_backward((probabilities - target).to(logits.dtype).view(logits.shape))
        # log(1 + exp(z)) = max(z, 0) - log(sigmoid(|z|)). Sigmoids of |z| lie in [1/2, 1], so a product of 32 of them
        # stays in float32's range, and the logarithm is taken of the products alone.
        certainty = probabilities.sub_(0.5).abs_().add_(0.5)
        whole = flat.numel() // 32 * 32
        logarithms = certainty[:whole].view(-1, 32).prod(1).log().sum() + certainty[whole:].prod().log()
        return (flat.clamp_min(0).sum() - logarithms - torch.dot(flat, target)) / flat.numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (slope,) = ctx.saved_tensors
        return slope * (gradient / slope.numel()), None
