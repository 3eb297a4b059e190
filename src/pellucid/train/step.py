"""One training step: forward in the chosen precision, backward, clip, update."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe, Train
from pellucid.train.distributed import Group
from pellucid.train.muon import Muon


def make_optimizer(model: nn.Module, options: Train, group: Group | None = None) -> torch.optim.Optimizer:
    """Return Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019) or Muon as the recipe asks."""
    if options.optimizer == "muon":
        return Muon(model, options.lr, options.weight_decay, group=group)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options.optimizer]
    return kind(model.parameters(), lr=options.lr, weight_decay=options.weight_decay, fused=True)


@dataclass
class Step:
    """A training step, called with a batch, returns the loss of that batch before the update.

    Attributes:
        model: the network, in training mode.
        optimizer: updates the network's parameters.
        objective: what is asked of the network.
        loss: how a deviation counts; None where the objective brings its own.
        bf16: whether the forward pass runs under bfloat16 autocast.
        gradient_clip: the norm to which gradients are clipped; 0 leaves them.
        group: the processes that share each batch.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Any
    loss: Any
    bf16: bool
    gradient_clip: float
    group: Group = field(default_factory=Group)

    @classmethod
    def of(cls, recipe: Recipe, model: nn.Module, group: Group | None = None) -> "Step":
        """Assemble the step that a recipe describes for a model."""
        return cls(
            model,
            make_optimizer(model, recipe.train, group),
            recipe.build("objective"),
            recipe.build("loss"),
            recipe.train.precision == "bf16",
            recipe.train.gradient_clip,
            group or Group(),
        )

    def __call__(self, batch: TrainingBatch) -> float:
        """Take the step and return the loss that the batch had before it, in all processes of the group."""
        self.optimizer.zero_grad()
        loss = 0.0
        if len(batch.clean):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                value = self.objective(self.model, self.loss, batch)
            value.backward()
            loss = value.item()
        loss = self.group.average(self.model, loss, len(batch.clean))
        if self.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.gradient_clip)
        self.optimizer.step()
        return loss
