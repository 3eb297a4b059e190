"""A study: trial after trial, those that look best followed up, until there are enough of them or the time is over."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

from pellucid import registry
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages, training_sets
from pellucid.tune import storage
from pellucid.tune.session import Session, Tuned, TuningProgress
from pellucid.tune.space import Space, changes_measure, described, fitted


def tune(
    recipe: Recipe,
    vary: Space,
    out: Path,
    *,
    trials: int = 20,
    minutes: float = 0.0,
    epochs: int | None = None,
    quick: bool = False,
    seed: int = 0,
    resume: bool = False,
    progress: Callable[[TuningProgress], None] = lambda where: None,
) -> Tuned:
    """Train a recipe with other values again and again, and write the best ones as a recipe.

    The first trial has the recipe's own values where `vary` holds them. A third of the trials, ten at most, are drawn
    at random, the others by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011). A trial that after a
    third of its epochs is worse than the median of the others was is given up, unless the length of trials is itself
    varied. What fails, because it diverges or does not fit into memory, is noted.

    Trials are compared by their least validation loss or, where the noise, the loss or the objective is varied, so that
    losses say different things, by the PSNR of the held-out images under the recipe's own noise.

    In `out` are `study.sqlite3`, `best.toml` (renewed by each better trial), `tune.png`, and a folder for each trial
    with its recipe and losses; the best one's network is kept too. Ctrl-C ends the study after the trial at hand; a
    second one ends it at once, and `resume` then continues that trial where it stopped.

    Args:
        recipe: what to tune.
        vary: what to try for each key, as `read_space` returns it.
        out: the folder of the study.
        trials: how many there are to be, those of earlier sessions included.
        minutes: after so many no trial begins; 0 sets no limit.
        epochs: how long a trial trains, in place of the recipe's epochs.
        quick: whether the trials take the recipe's [quick] values.
        seed: of the values that are drawn; the trials themselves have the seed of the recipe.
        resume: whether to continue the study in `out`, if there is one.
        progress: told how far it is.

    Raises:
        UsageError: if a key or a value cannot be, or `out` holds a study that is not to be continued, or another one.
        PellucidError: if the data is absent, the study cannot be written, or all trials fail.
        KeyboardInterrupt: after a second Ctrl-C; its text says how to go on.
    """
    _check_request(trials, minutes, epochs, vary)
    if (out / storage.FILE).exists() and not resume:
        raise UsageError(f"{out} holds a study already: give --resume to continue it, or another --out")
    short = _shortened(recipe, vary, epochs, quick)
    space = fitted(vary, short)
    by_psnr = changes_measure(space)
    held_out = _held_out(short, by_psnr)
    _make_folder(out)
    session = Session(recipe, short, space, out, trials, by_psnr, held_out, seed, progress)
    definition = {"recipe": short.training_tables(), "--vary": described(space)}
    with storage.opened(out, definition, "maximize" if by_psnr else "minimize") as study:
        return session.run(study, minutes)


def _check_request(trials: int, minutes: float, epochs: int | None, vary: Space) -> None:
    from torch import distributed

    if not vary:
        raise UsageError("nothing is varied: name a key and what to try, such as --vary train.lr=1e-4..1e-2")
    if trials < 1:
        raise UsageError(f"trials is {trials}: give at least 1")
    if not 0 <= minutes < math.inf:
        raise UsageError(f"minutes is {minutes}: give a number from 0, which sets no limit")
    if epochs is not None and epochs < 1:
        raise UsageError(f"epochs is {epochs}: give at least 1")
    if distributed.is_torchelastic_launched():
        raise UsageError("a study runs in one process: start it without torchrun")


def _shortened(recipe: Recipe, vary: Space, epochs: int | None, quick: bool) -> Recipe:
    """Return the recipe at the length of a trial."""
    if quick and not recipe.quick:
        raise UsageError(f'recipe "{recipe.name}" has no [quick] table: give --epochs instead')
    short = dataclasses.replace(recipe.with_quick_values() if quick else recipe, study=(), quick={})
    if epochs is None:
        return short
    for key in ("train.epochs", "train.minutes"):
        if key in vary:
            raise UsageError(f"--epochs sets what {key} is to vary: give one of them")
    return short.with_changes({"train.epochs": epochs})


def _held_out(short: Recipe, needed: bool) -> NoisyImages | None:
    """Return the held-out images with their noise, or None where there is no PSNR to be measured.

    Raises:
        UsageError: if it is needed.
        PellucidError: if the data is absent: found here, it ends the study before its first trial.
    """
    _, held_out = training_sets(short)
    if registry.load("model", short.model.name).task == "denoise" and short.objective.name == "supervised":
        return held_out
    if needed:
        raise UsageError(
            "where the noise, the loss or the objective is varied, trials are compared by PSNR, and "
            f'recipe "{short.name}" is not trained against clean images: vary keys of [model] and [train]'
        )
    return None


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the folder {out}: {error.strerror}; give another --out") from error
