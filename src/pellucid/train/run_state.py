"""All that a training run needs to continue to the bit: weights, EMA, optimiser, generator, counters, history."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.checkpoint import read_tensors, write_tensors
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.format_1 import upgrade_recipe
from pellucid.recipes.recipe import TRAINING_TABLES, Recipe, Train
from pellucid.train.distributed import ProcessGroup
from pellucid.train.step import TrainingStep


@dataclass
class RunState:
    """The state of a run between two steps.

    Attributes:
        recipe: with threads and precision settled.
        training_step: model, optimiser, objective and loss.
        ema_model: the exponential moving average of the model, or the model itself without EMA.
        done: steps taken.
        loss_sum, seen, seconds: in the epoch so far, the sum of the sample losses, the samples, and the time in steps.
        best, waited: the least validation loss, and the epochs since.
        history: one entry per finished epoch.
    """

    recipe: Recipe
    training_step: TrainingStep
    ema_model: nn.Module
    done: int = 0
    loss_sum: float = 0.0
    seen: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def start(cls, recipe: Recipe, model: nn.Module, group: ProcessGroup) -> "RunState":
        """Return the state before the first step."""
        averaged = copy.deepcopy(model) if recipe.train.ema else model
        return cls(recipe, TrainingStep.from_recipe(recipe, model, group), averaged)

    def update_ema(self) -> None:
        """Move the averaged weights towards the model's; the first steps count for more."""
        if self.ema_model is self.training_step.model:
            return
        decay = min(self.recipe.train.ema, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            pairs = zip(
                self.ema_model.state_dict().values(), self.training_step.model.state_dict().values(), strict=True
            )
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
        described = _described(described, path)
        for network, prefix in ((self.training_step.model, "model."), (self.ema_model, "averaged.")):
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            if state:
                network.load_state_dict(state)
        optimizer = self.training_step.optimizer.state_dict()
        optimizer["state"] = _unflatten(tensors)
        self.training_step.optimizer.load_state_dict(optimizer)
        torch.set_rng_state(tensors["generator"])
        for name, value in described["counters"].items():
            setattr(self, name, value)
        self.history = described["history"]

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": value for name, value in self.training_step.model.state_dict().items()}
        if self.ema_model is not self.training_step.model:
            tensors |= {f"averaged.{name}": value for name, value in self.ema_model.state_dict().items()}
        for index, parts in self.training_step.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in parts.items()}
        return tensors | {"generator": torch.get_rng_state()}


LENGTH = ("epochs", "hold_fraction")
COUNTERS = ("done", "loss_sum", "seen", "seconds", "best", "waited")


def saved_recipe(path: Path, wanted: Recipe, resume: bool) -> Recipe | None:
    """Return the recipe of the run that a state belongs to, with what its probe chose, or None to start anew.

    A run that was stopped before its first step is started anew unless all is as it was.

    `train.epochs` and `train.hold_fraction` may be others as long as the rate has not begun to fall by either: a run can be made
    longer or shorter on its way.

    Raises:
        UsageError: if there is a run that is not to be resumed, or that was started by another recipe, naming the
            first table that differs.
    """
    if not path.exists():
        return None
    described = _described(read_tensors(path)[1], path)
    begun = described["counters"]["done"] > 0
    if begun and not resume:
        raise UsageError(f"{path.parent} holds a run already: give --resume to continue it, or another --out")
    found = Recipe.from_dict(upgrade_recipe(described["recipe"]))
    differing = _first_difference(wanted, found, described)
    if differing and begun:
        raise UsageError(
            f"the run in {path.parent} was started with another [{differing}]: resume with its own recipe, "
            f"{path.parent / 'recipe.toml'}, or give another --out"
        )
    if differing or not resume:
        return None
    return wanted.with_values({f"train.{name}": getattr(found.train, name) for name in wanted.autotuned_keys})


def _described(described: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what a file says of itself, or raise PellucidError if it is not the state of a run."""
    if "counters" not in described:
        raise PellucidError(f"{path} is not the state of a training run: give --out of the run to resume")
    return described


def _first_difference(wanted: Recipe, found: Recipe, described: Mapping[str, Any]) -> str | None:
    """Return the first table by which two recipes would train another network, or None."""
    expected, begun = wanted.training_tables(), found.training_tables()
    if (history := described["history"]) and not (wanted.train.minutes or found.train.minutes):
        epochs = described["counters"]["done"] / history[0]["step"]
        if all(_is_lr_constant(recipe.train, epochs) for recipe in (wanted, found)):
            for name in LENGTH:
                expected["train"][name] = begun["train"][name]
    return next((table for table in TRAINING_TABLES if expected.get(table) != begun.get(table)), None)


def _is_lr_constant(options: Train, epochs: float) -> bool:
    """Return whether the rate has not begun to fall after so many epochs."""
    return epochs <= options.epochs * (1.0 if options.schedule == "constant" else options.hold_fraction)


def _unflatten(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = value
    return state
