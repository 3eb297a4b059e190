"""One trial of a study: a recipe with some of its values changed, trained for a short while and watched."""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from pellucid import checkpoint, registry
from pellucid.errors import PellucidError
from pellucid.models.base import is_conditional
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.train.loop import Progress, train
from pellucid.utils.seeding import make_generator

MOST_MEASURED = 256
BATCH = 64
IDENTICAL = 200.0  # dB, in place of infinity, which JSON lacks
NO_MEMORY = "it does not fit into memory"


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        number: from 1 on, in the order of the trials.
        values: what it changed in the recipe, by key.
        state: "done"; "pruned", where it was given up as hopeless; "failed", where `note` says why.
        loss: the least validation loss of its epochs, or None where there is none.
        psnr: of the held-out images under the study's own noise, by the network of that epoch, in dB; or None.
        epochs: how many it trained for.
        seconds: how long it took.
        note: why it failed, or nothing.
    """

    number: int
    values: dict[str, Any]
    state: Literal["done", "pruned", "failed"]
    loss: float | None
    psnr: float | None
    epochs: int
    seconds: float
    note: str = ""


class Hopeless(Exception):
    """A trial is given up: others were better at this point."""


@dataclass(frozen=True)
class Setting:
    """What a trial is run with.

    Attributes:
        recipe: the study's, at the length of a trial.
        held_out: images to measure PSNR on, or None.
        by_psnr: whether trials are judged by PSNR, rather than by their validation loss.
        judge: told the epochs done and how good the last one was; returns whether the trial is hopeless.
        progress: told how far the training is.
        on_interrupt: told of a first Ctrl-C, after which the trial goes on to its end.
    """

    recipe: Recipe
    held_out: NoisyImages | None
    by_psnr: bool
    judge: Callable[[int, float], bool]
    progress: Callable[[Progress], None]
    on_interrupt: Callable[[], None]


def run_trial(number: int, values: Mapping[str, Any], folder: Path, setting: Setting) -> Outcome:
    """Train a trial in its folder, from where an earlier attempt at it stopped, and say how it ended.

    Raises:
        KeyboardInterrupt: after a second Ctrl-C; the trial can then be continued.
    """
    started = time.monotonic()
    state, note, psnr = "done", "", None
    try:
        recipe = setting.recipe.changed(values)
        best = _trained(recipe, folder, setting)
        psnr = None if setting.held_out is None else _psnr(_denoiser(best), setting.held_out)
        if psnr is not None and math.isnan(psnr):
            raise PellucidError("what its network returns is not finite")
    except Hopeless:
        state = "pruned"
    except (PellucidError, MemoryError, RuntimeError) as error:
        state, note = "failed", _reason(error)
    losses = [loss for loss in _losses(folder) if math.isfinite(loss)]
    measured = (min(losses, default=None), psnr if state == "done" else None)
    return Outcome(number, dict(values), state, *measured, len(losses), time.monotonic() - started, note)


def _trained(recipe: Recipe, folder: Path, setting: Setting) -> Path:
    """Train, and return the checkpoint of the best epoch."""

    def watch(network: Any, epoch: int) -> None:
        measured = _losses(folder)[-1]
        if setting.by_psnr and setting.held_out is not None:
            measured = _psnr(network, setting.held_out)
        if not math.isfinite(measured):
            raise PellucidError(f"the validation {'PSNR' if setting.by_psnr else 'loss'} became {measured}")
        if setting.judge(epoch, measured):
            raise Hopeless

    told = {"progress": setting.progress, "watch": watch}
    result = train(recipe, folder, resume=True, **told)
    if result.stopped == "interrupted":
        setting.on_interrupt()
        result = train(recipe, folder, resume=True, **told)
        if result.stopped == "interrupted":
            raise KeyboardInterrupt
    return result.best


def _losses(folder: Path) -> list[float]:
    """Return the validation loss of each epoch of a run."""
    path = folder / "stats.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [float(json.loads(line)["validation_loss"]) for line in lines]


def _denoiser(path: Path) -> Any:
    return checkpoint.load(path).networks["denoiser"]


@torch.inference_mode()
def _psnr(network: Any, images: NoisyImages) -> float:
    """Return the mean PSNR of the first images, denoised and cut to [0, 1]."""
    drawn = make_generator(0, "tune")
    metric, found = registry.build("metric", "psnr", {}), []
    for index in torch.arange(min(len(images), MOST_MEASURED)).split(BATCH):
        batch = images.batch(index, drawn)
        inputs = (batch.noisy, batch.sigma) if is_conditional(network) else (batch.noisy,)
        found.append(metric(network(*inputs).float().clamp(0, 1).numpy(), batch.clean.numpy()))
    return min(float(np.concatenate(found).mean()), IDENTICAL)


def _reason(error: Exception) -> str:
    """Say in one line why a trial failed."""
    text = " ".join(str(error).split("\n", 1)[0].split())
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return NO_MEMORY
    return text or type(error).__name__
