"""One trial of a study: a recipe with some values changed, trained for a short while."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pellucid import checkpoint, registry
from pellucid.errors import PellucidError, UsageError
from pellucid.models.base import is_conditional
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages, training_sets
from pellucid.train.loop import TrainProgress, train
from pellucid.train.run_folder import RunFolder
from pellucid.utils.seeding import make_generator

MAX_IMAGES = 256
BATCH_SIZE = 64
MAX_PSNR = 200.0  # dB, for identical images: JSON has no infinity
OUT_OF_MEMORY = "it does not fit into memory"


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
        number: from 1 on, in the order of the trials.
        values: what the trial changed in the recipe, by key.
        state: "done"; "pruned", if it was stopped early; "failed", with the reason in `note`.
        loss: the lowest validation loss of its epochs, or None if it completed no epoch.
        psnr: of the held-out images under the noise of the study, by the network of the best epoch, in dB; or None.
        epochs: how many epochs it trained.
        seconds: how long it took.
        note: why it failed, or "".
    """

    number: int
    values: dict[str, Any]
    state: Literal["done", "pruned", "failed"]
    loss: float | None
    psnr: float | None
    epochs: int
    seconds: float
    note: str = ""


class TrialPruned(Exception):
    """The trial is stopped early, because others were better at this point."""


@dataclass(frozen=True)
class TrialSettings:
    """What all trials of a study have in common.

    Attributes:
        recipe: the recipe of the study, at the length of a trial.
        held_out: images to measure PSNR on, or None.
        by_psnr: whether trials are compared by PSNR instead of their validation loss.
        should_prune: called after each epoch with its number and its measure; returns whether to stop the trial.
        progress: called during the training.
        on_interrupt: called on the first Ctrl-C, after which the trial runs to its end.
    """

    recipe: Recipe
    held_out: NoisyImages | None
    by_psnr: bool
    should_prune: Callable[[int, float], bool]
    progress: Callable[[TrainProgress], None]
    on_interrupt: Callable[[], None]


def run_trial(number: int, values: Mapping[str, Any], folder: Path, settings: TrialSettings) -> TrialResult:
    """Train a trial in its folder, where an interrupted trial resumes, and return how it ended.

    Raises:
        KeyboardInterrupt: after a second Ctrl-C; the trial can be resumed.
    """
    started = time.monotonic()
    state, note, psnr = "done", "", None
    try:
        best = _train(settings.recipe.with_changes(values), folder, settings)
        if settings.held_out is not None:
            psnr = _psnr(checkpoint.load(best).networks["denoiser"], settings.held_out)
            if math.isnan(psnr):
                raise PellucidError("what its network returns is not finite")
    except TrialPruned:
        state = "pruned"
    except (PellucidError, MemoryError, RuntimeError) as error:
        state, note, psnr = "failed", _failure_reason(error), None
    losses = [loss for loss in _losses(folder) if math.isfinite(loss)]
    seconds = time.monotonic() - started
    return TrialResult(number, dict(values), state, min(losses, default=None), psnr, len(losses), seconds, note)


def held_out_images(recipe: Recipe, by_psnr: bool) -> NoisyImages | None:
    """Return the held-out images with their noise, or None if PSNR cannot be measured.

    Raises:
        UsageError: if it has to be.
        PellucidError: if the data is missing, which ends the study before its first trial.
    """
    _, held_out = training_sets(recipe)
    if registry.load("model", recipe.model.name).task == "denoise" and recipe.objective.name == "supervised":
        return held_out
    if by_psnr:
        raise UsageError(
            "if the noise, the loss or the objective is varied, trials are compared by PSNR, and "
            f'recipe "{recipe.name}" is not trained against clean images: vary keys of [model] and [train]'
        )
    return None


def _train(recipe: Recipe, folder: Path, settings: TrialSettings) -> Path:
    """Train, and return the checkpoint of the best epoch."""

    def on_epoch_end(network: Any, epoch: int) -> None:
        measure = _losses(folder)[-1]
        if settings.by_psnr and settings.held_out is not None:
            measure = _psnr(network, settings.held_out)
        if not math.isfinite(measure):
            raise PellucidError(f"the validation {'PSNR' if settings.by_psnr else 'loss'} became {measure}")
        if settings.should_prune(epoch, measure):
            raise TrialPruned

    callbacks = {"progress": settings.progress, "on_epoch_end": on_epoch_end}
    result = train(recipe, folder, resume=True, **callbacks)
    if result.stopped == "interrupted":
        settings.on_interrupt()
        result = train(recipe, folder, resume=True, **callbacks)
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
    return result.best


def _losses(folder: Path) -> list[float]:
    """Return the validation loss of each epoch of a run."""
    return [float(entry["validation_loss"]) for entry in RunFolder(folder).read_stats()]


@torch.inference_mode()
def _psnr(network: Any, images: NoisyImages) -> float:
    """Return the mean PSNR of the first images, denoised and clipped to [0, 1]."""
    generator = make_generator(0, "tune", device=next(network.parameters()).device)
    metric, values = registry.build("metric", "psnr", {}), []
    for index in torch.arange(min(len(images), MAX_IMAGES)).split(BATCH_SIZE):
        batch = images.batch(index, generator)
        inputs = (batch.noisy, batch.sigma) if is_conditional(network) else (batch.noisy,)
        denoised = network(*inputs).float().clamp(0, 1)
        values.append(metric(denoised.cpu().numpy(), batch.clean.cpu().numpy()))
    return min(float(np.concatenate(values).mean()), MAX_PSNR)


def _failure_reason(error: Exception) -> str:
    """Return one line on why a trial failed."""
    text = " ".join(str(error).split("\n", 1)[0].split())
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return OUT_OF_MEMORY
    return text or type(error).__name__
