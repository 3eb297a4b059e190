"""All that a training run needs to continue to the bit: weights, their average, optimizer, counters and history."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from pellucid.checkpoint import read_tensors, write_tensors
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.recipes.recipe import TRAINING_TABLES, Recipe, Train
from pellucid.train.distributed import ProcessGroup
from pellucid.train.run_folder import EpochEntry, RunFolder
from pellucid.train.step import EMA, TrainingStep

COUNTERS = ("global_step", "loss_sum", "num_samples", "epoch_seconds", "best_loss", "epochs_without_improvement")
LENGTH_KEYS = ("epochs", "hold_fraction")


@dataclass
class RunState:
    """The state of a run between two steps.

    Attributes:
        recipe: with the autotuned values.
        training_step: model, optimizer, objective and loss.
        ema_model: the exponential moving average of the model, or the model itself without EMA.
        global_step: the steps taken so far.
        loss_sum: the sum of the losses of all samples of this epoch so far.
        num_samples: the samples of this epoch so far.
        epoch_seconds: the time of this epoch's steps so far.
        best_loss: the lowest validation loss.
        epochs_without_improvement: the epochs since the one with the lowest validation loss.
        history: one entry per finished epoch.
    """

    recipe: Recipe
    training_step: TrainingStep
    ema_model: nn.Module
    global_step: int = 0
    loss_sum: float = 0.0
    num_samples: int = 0
    epoch_seconds: float = 0.0
    best_loss: float = float("inf")
    epochs_without_improvement: int = 0
    history: list[EpochEntry] = field(default_factory=list)

    @classmethod
    def start(cls, recipe: Recipe, model: nn.Module, group: ProcessGroup) -> "RunState":
        """Return the state before the first step."""
        ema_model = copy.deepcopy(model) if recipe.train.ema else model
        return cls(recipe, TrainingStep.from_recipe(recipe, model, group), ema_model)

    def update_ema(self) -> None:
        """Move the averaged weights towards the model's."""
        if self.ema_model is not self.training_step.model:
            EMA(self.ema_model, self.recipe.train.ema).update(self.training_step.model, self.global_step)

    def save(self, path: Path) -> None:
        """Write the state atomically.

        Raises:
            PellucidError: if it cannot be written.
        """
        metadata = {
            "recipe": self.recipe.to_dict(),
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "history": self.history,
        }
        write_tensors(path, self._tensors(), metadata)

    def restore(self, path: Path) -> None:
        """Continue from a file that `save` wrote.

        Raises:
            PellucidError: if the file is absent, broken, or not the state of a run.
        """
        tensors, metadata = read_tensors(path)
        metadata = _check_metadata(metadata, path)
        for network, prefix in ((self.training_step.model, "model."), (self.ema_model, "ema.")):
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            if state:
                network.load_state_dict(state)
        optimizer = self.training_step.optimizer.state_dict()
        optimizer["state"] = _unflatten(tensors)
        self.training_step.optimizer.load_state_dict(optimizer)
        for name in COUNTERS:
            setattr(self, name, metadata["counters"][name])
        self.history = metadata["history"]

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": value for name, value in self.training_step.model.state_dict().items()}
        if self.ema_model is not self.training_step.model:
            tensors |= {f"ema.{name}": value for name, value in self.ema_model.state_dict().items()}
        for index, parts in self.training_step.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in parts.items()}
        return tensors


def saved_recipe(folder: RunFolder, recipe: Recipe, resume: bool) -> Recipe | None:
    """Return the recipe with what was autotuned for the run in a folder, or None to start a new run.

    A run that was stopped before its first step starts again unless everything is as it was.

    `train.epochs` and `train.hold_fraction` may differ as long as neither has made the learning rate fall yet: a run
    can be made longer or shorter on its way.

    Raises:
        UsageError: if there is a run that is not to be resumed, or that another recipe started, naming the first table
            that differs.
    """
    if not folder.last.exists():
        return None
    try:
        metadata = _check_metadata(read_tensors(folder.last)[1], folder.last)
    except OldFormat as error:
        raise OldFormat(folder.path, "run folder") from error
    is_started = metadata["counters"]["global_step"] > 0
    if is_started and not resume:
        raise UsageError(f"{folder.path} holds a run already: give --resume to continue it, or another --out")
    saved = Recipe.from_dict(metadata["recipe"])
    difference = _first_difference(recipe, saved, metadata)
    if difference and is_started:
        raise UsageError(
            f"the run in {folder.path} was started with another [{difference}]: resume with its own recipe, "
            f"{folder.recipe}, or give another --out"
        )
    if difference or not resume:
        return None
    return recipe.with_values({f"train.{name}": getattr(saved.train, name) for name in recipe.autotuned_keys})


def _check_metadata(metadata: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the metadata of a file, or raise PellucidError if it is not the state of a run."""
    if "counters" not in metadata:
        raise PellucidError(f"{path} is not the state of a training run: give --out of the run to resume")
    return metadata


def _first_difference(recipe: Recipe, saved: Recipe, metadata: Mapping[str, Any]) -> str | None:
    """Return the first table by which two recipes would train different networks, or None."""
    expected, actual = recipe.training_tables(), saved.training_tables()
    if (history := metadata["history"]) and not (recipe.train.minutes or saved.train.minutes):
        epochs = metadata["counters"]["global_step"] / history[0]["step"]
        if all(_is_lr_constant(each.train, epochs) for each in (recipe, saved)):
            for name in LENGTH_KEYS:
                expected["train"][name] = actual["train"][name]
    return next((table for table in TRAINING_TABLES if expected.get(table) != actual.get(table)), None)


def _is_lr_constant(options: Train, epochs: float) -> bool:
    """Return whether the learning rate has not fallen after so many epochs."""
    return epochs <= options.epochs * (1.0 if options.schedule == "constant" else options.hold_fraction)


def _unflatten(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, part = name.split(".")
            state.setdefault(int(index), {})[part] = value
    return state
