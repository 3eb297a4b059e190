"""One training step, and the moving average of the weights."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe, Train
from pellucid.train.distributed import ProcessGroup
from pellucid.train.muon import Muon


def make_optimizer(model: nn.Module, options: Train, group: ProcessGroup | None = None) -> torch.optim.Optimizer:
    """Return Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) or Muon, as the recipe says."""
    if options.optimizer == "muon":
        return Muon(model, options.lr, options.weight_decay, group=group)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options.optimizer]
    return kind(model.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)


@dataclass
class TrainingStep:
    """One step of training: forward, backward, clipping and update. It is called with a batch.

    Attributes:
        model: the network, in training mode.
        optimizer: updates the network's parameters.
        objective: makes the loss value of a network and a batch.
        loss: measures an error; None where the objective needs none.
        bf16: whether the forward pass runs under bfloat16 autocast.
        gradient_clip: the norm to which gradients are clipped; 0 turns it off.
        group: the processes that share each batch.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Any
    loss: Any
    bf16: bool = False
    gradient_clip: float = 0.0
    group: ProcessGroup = field(default_factory=ProcessGroup)

    @classmethod
    def from_recipe(cls, recipe: Recipe, model: nn.Module, group: ProcessGroup | None = None) -> "TrainingStep":
        """Return the step that a recipe describes, for a model on the device that it is to be trained on."""
        group = group or ProcessGroup()
        return cls(
            model,
            make_optimizer(model, recipe.train, group),
            recipe.build("objective"),
            recipe.build("loss"),
            recipe.train.precision == "bf16",
            recipe.train.gradient_clip,
            group,
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.optimizer.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    def __call__(self, batch: TrainingBatch) -> float:
        """Take the step and return the loss that the batch had before it, over all processes of the group."""
        self.optimizer.zero_grad()
        loss = 0.0
        if len(batch.clean):
            value = self.evaluate(self.model, batch)
            value.backward()
            loss = value.item()
        loss = self.group.average_gradients(self.model, loss, len(batch.clean))
        if self.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip)
        self.optimizer.step()
        return loss

    def evaluate(self, model: nn.Module, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of a model, the trained one or its average, on a batch."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            return self.objective(model, self.loss, batch)


@dataclass(frozen=True)
class EMA:
    """The exponential moving average of a network's weights.

    Attributes:
        model: the network with the averaged weights.
        decay: how much of the average stays at each update, 0 to below 1.
    """

    model: nn.Module
    decay: float

    @torch.no_grad()
    def update(self, trained: nn.Module, step: int | None = None) -> None:
        """Move the average towards the weights of the trained network.

        With `step`, the number of steps before this one, the decay is at most `(1 + step) / (10 + step)`: the average
        soon forgets the first weights.
        """
        decay = self.decay if step is None else min(self.decay, (1 + step) / (10 + step))
        for mean, value in zip(self.model.state_dict().values(), trained.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)
