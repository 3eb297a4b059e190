"""The optimizer Muon for convolutions, with AdamW for all other parameters."""

from typing import Any

import torch
from torch import Tensor, nn

from pellucid.train.distributed import ProcessGroup

# Jordan et al. 2024: an odd polynomial whose iterates bring all singular values near 1.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
UPDATE_RMS = 0.2  # of an update, as AdamW's usually is (Liu et al. 2025, eq. 4), so that both share one rate


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum for each inner convolution's matrix (Jordan et al. 2024), AdamW for all else.

    A convolution's weight (O, I, k, k) is the matrix (O, I * k * k). The first and the last convolution, biases and
    vectors are updated by AdamW (Loshchilov and Hutter, 2019). The processes of a group share the matrices.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        group: ProcessGroup | None = None,
    ) -> None:
        """Sort the parameters of a model; `lr` is the rate of both, `weight_decay` is decoupled from the gradient."""
        self.process_group = group or ProcessGroup()
        inner = inner_convolutions(model)
        inner_ids = {id(weight) for weight in inner}
        others = [value for value in model.parameters() if id(value) not in inner_ids]
        groups = [{"params": inner, "orthogonal": True}, {"params": others, "orthogonal": False}]
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "betas": betas}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient; a closure is not supported."""
        for group in self.param_groups:
            ready = [(value, value.grad) for value in group["params"] if value.grad is not None]
            for value, _ in ready:
                value.mul_(1 - group["lr"] * group["weight_decay"])
            if group["orthogonal"]:
                self._orthogonal_step(ready, group)
            else:
                self._adam_step(ready, group)

    def _orthogonal_step(self, ready: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        weights, updates = [weight for weight, _ in ready], []
        for weight, gradient in ready:
            mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
            mean.lerp_(gradient, 1 - group["momentum"])
            updates.append(gradient.lerp(mean, group["momentum"]).flatten(1))
        # Matrices of one shape go through the iterations together.
        for shape in {update.shape for update in updates}:
            same = [number for number, update in enumerate(updates) if update.shape == shape]
            stacked = torch.stack([updates[number] for number in same])
            orthogonal = self.process_group.sharded_map(orthogonalize, stacked)
            scale = UPDATE_RMS * max(shape) ** 0.5
            for number, update in zip(same, orthogonal, strict=True):
                weights[number].add_(update.view_as(weights[number]), alpha=-group["lr"] * scale)

    def _adam_step(self, ready: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        for value, gradient in ready:
            state = self.state[value]
            if not state:
                state |= {"mean": torch.zeros_like(value), "square": torch.zeros_like(value)}
                state["steps"] = value.new_zeros(1)
            first, second = group["betas"]
            state["steps"] += 1
            count = state["steps"].item()
            state["mean"].lerp_(gradient, 1 - first)
            state["square"].lerp_(gradient.square(), 1 - second)
            rms = (state["square"] / (1 - second**count)).sqrt_().add_(1e-8)
            value.addcdiv_(state["mean"], rms, value=-group["lr"] / (1 - first**count))


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return matrices (N, R, C) with all their singular values brought near 1, in the same dtype.

    Newton-Schulz iterations in bfloat16, on the smaller side.
    """
    a, b, c = COEFFICIENTS
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if is_tall else matrices).bfloat16()
    x = x / x.float().flatten(1).norm(dim=1).clamp(min=1e-7).bfloat16()[:, None, None]
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if is_tall else x).to(matrices.dtype)


def inner_convolutions(model: nn.Module) -> list[Tensor]:
    """Return the weights of a model's convolutions except the first and the last."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [layer.weight for layer in model.modules() if isinstance(layer, kinds)][1:-1]
