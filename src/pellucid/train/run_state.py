"""All that a training run needs to continue to the bit: weights, EMA, optimiser, generator, counters, history."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.checkpoint import read_tensors, write_tensors
from pellucid.errors import PellucidError, UsageError
from pellucid.recipe import SETTLED, TRAINED_BY, Recipe, Train
from pellucid.train.group import Group
from pellucid.train.step import Step


@dataclass
class RunState:
    """The state of a run between two steps.

    Attributes:
        recipe: with threads and precision settled.
        step: model, optimiser, objective and loss.
        averaged: the exponential moving average of the model, or the model itself without EMA.
        done: steps taken.
        loss_sum, seen, seconds: in the epoch so far, the sum of the sample losses, the samples, and the time in steps.
        best, waited: the least validation loss, and the epochs since.
        history: one entry per finished epoch.
    """

    recipe: Recipe
    step: Step
    averaged: nn.Module
    done: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, recipe: Recipe, model: nn.Module, group: Group) -> "RunState":
        """Return the state before the first step."""
        averaged = copy.deepcopy(model) if recipe.train.ema else model
        return cls(recipe, Step.of(recipe, model, group), averaged)

    def average(self) -> None:
        """Move the averaged weights towards the model's; the first steps count for more."""
        if self.averaged is self.step.model:
            return
        decay = min(self.recipe.train.ema, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            pairs = zip(self.averaged.state_dict().values(), self.step.model.state_dict().values(), strict=True)
            for mean, value in pairs:
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - decay)
                else:
                    mean.copy_(value)

    def save(self, path: Path) -> None:
        """Write the state atomically.

        Raises:
            PellucidError: if it cannot be written.
        """
        described = {
            "recipe": self.recipe.to_dict(),
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "history": self.history,
        }
        write_tensors(path, self._tensors(), described)

    def restore(self, path: Path) -> None:
        """Take the state from a file written by `save`.

        Raises:
            PellucidError: if the file is absent, broken, or not a run's state.
        """
        tensors, described = read_tensors(path)
        if "counters" not in described:
            raise PellucidError(f"{path} is not the state of a training run: give --out of the run to resume")
        for network, prefix in ((self.step.model, "model."), (self.averaged, "averaged.")):
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            if state:
                network.load_state_dict(state)
        optimizer = self.step.optimizer.state_dict()
        optimizer["state"] = _unflatten(tensors)
        self.step.optimizer.load_state_dict(optimizer)
        torch.set_rng_state(tensors["generator"])
        for name, value in described["counters"].items():
            setattr(self, name, value)
        self.history = described["history"]

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": value for name, value in self.step.model.state_dict().items()}
        if self.averaged is not self.step.model:
            tensors |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for index, parts in self.step.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in parts.items()}
        return tensors | {"generator": torch.get_rng_state()}


LENGTH = ("epochs", "hold")
COUNTERS = ("done", "loss_sum", "seen", "seconds", "best", "waited")


def settled_recipe(path: Path, wanted: Recipe) -> Recipe:
    """Return the recipe of an interrupted run, with what its probe chose.

    `train.epochs` and `train.hold` may be others as long as the rate has not begun to fall by either: a run can be made
    longer or shorter on its way.

    Raises:
        UsageError: if the run was started by another recipe, naming the first table that differs.
    """
    _, described = read_tensors(path)
    found = Recipe.from_dict(described["recipe"])
    expected, begun = wanted.training_tables(), found.training_tables()
    if history := described["history"]:
        epochs = described["counters"]["done"] / history[0]["step"]
        if all(_is_held(recipe.train, epochs) for recipe in (wanted, found)):
            for name in LENGTH:
                expected["train"][name] = begun["train"][name]
    for table in TRAINED_BY:
        if expected.get(table) != begun.get(table):
            raise UsageError(
                f"the run in {path.parent} was started with another [{table}]: resume with its own recipe, "
                f"{path.parent / 'recipe.toml'}, or give another --out"
            )
    return wanted.with_values({f"train.{name}": getattr(found.train, name) for name in SETTLED})


def _is_held(options: Train, epochs: float) -> bool:
    """Return whether the rate has not begun to fall after so many epochs."""
    return epochs <= options.epochs * (1.0 if options.schedule == "constant" else options.hold)


def _unflatten(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = value
    return state
