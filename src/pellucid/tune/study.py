"""A study: Optuna chooses values for trial after trial, and the best ones become a recipe."""

import dataclasses
import io
import math
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.train.loop import TrainProgress
from pellucid.train.run_folder import RunFolder
from pellucid.tune.space import (
    Space,
    changes_measure,
    current_value,
    fit_to_recipe,
    recipe_values,
    text_of,
    to_json,
)
from pellucid.tune.storage import FEATURE, FILE, FORMAT, NUMBER, RESULT, open_study, requeue_interrupted, saved_results
from pellucid.tune.trial import TrialResult, TrialSettings, held_out_images, run_trial
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.optional_imports import import_optional
from pellucid.utils.paths import make_folder

BEST, PLOT = "best.toml", "tune.png"
MAX_RANDOM_TRIALS = 10
NUM_STARTUP_TRIALS = 4  # trials that run to their end before any is pruned
MAX_FAILED_AT_START = 3
MAX_DUPLICATES = 1000  # so many suggestions in a row that were tried before end a study
OUTLIER_SPREAD = 4


@dataclass(frozen=True)
class StudyResult:
    """The result of a study.

    Attributes:
        trials: the results of the trials by their numbers.
        best: the best of the trials that were done.
        by_psnr: whether trials are compared by PSNR instead of the validation loss.
        recipe: the file with the whole recipe and the best trial's values.
        plot: the plot of all trials.
        stopped: "finished", "time" or "interrupted".
    """

    trials: tuple[TrialResult, ...]
    best: TrialResult
    by_psnr: bool
    recipe: Path
    plot: Path
    stopped: Literal["finished", "time", "interrupted"]


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
    progress: Callable[[float, str, float], None] = lambda done, text, left: None,
) -> StudyResult:
    """Train a recipe again and again with other values, and write the best ones as a recipe.

    The first trial has the recipe's own values if `vary` contains them. A third of the trials, ten at most, have random
    values, the others are chosen by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011). A trial that
    after a third of its epochs is worse than the median of the others is pruned, unless the length of trials itself is
    varied. A trial that fails, because it diverges or does not fit into memory, is recorded.

    Trials are compared by their lowest validation loss. If the noise, the loss or the objective is varied, losses
    cannot be compared, and the PSNR of the held-out images under the recipe's own noise decides.

    `out` gets `study.sqlite3`, `best.toml` (rewritten by each better trial), `tune.png`, and a folder for each trial
    with its recipe and losses; the network of the best trial is kept too. Ctrl-C ends the study after the current
    trial; a second one ends it at once, and `resume` then continues that trial where it stopped.

    Args:
        recipe: what to tune.
        vary: what to try for each key, as `read_space` returns it.
        out: the folder of the study.
        trials: how many trials there will be, those of earlier sessions included.
        minutes: after so many minutes no trial starts; 0 sets no limit.
        epochs: the epochs of a trial, instead of the recipe's.
        quick: whether the trials use the recipe's [quick] values.
        seed: of the values that are chosen; the trials themselves have the seed of the recipe.
        resume: whether to continue the study in `out`, if there is one.
        progress: called with how many trials are done, the current one as a fraction; a text about it; and an estimate
            of the seconds left.

    Raises:
        UsageError: for an invalid key or value, or if `out` holds another study, or one and `resume` is not set.
        PellucidError: if the data is missing, the study cannot be written, or all trials fail.
        KeyboardInterrupt: after a second Ctrl-C; its text says how to continue.
    """
    import_optional("optuna", "tune", FEATURE)
    _check_request(trials, minutes, epochs, vary)
    if (out / FILE).exists() and not resume:
        raise UsageError(f"{out} already has a study: give --resume to continue it, or another --out")
    trial_recipe = _trial_recipe(recipe, vary, epochs, quick)
    space = fit_to_recipe(vary, trial_recipe)
    by_psnr = changes_measure(space)
    held_out = held_out_images(trial_recipe, by_psnr)
    make_folder(out, "give another --out")
    definition = {"format": FORMAT, "recipe": trial_recipe.training_tables(), "--vary": to_json(space)}
    with open_study(out, definition, "maximize" if by_psnr else "minimize") as study:
        deadline = time.monotonic() + 60 * minutes if minutes else math.inf
        size = math.prod(kind.size for kind in space.values())
        limit = int(min(trials, size))
        runner = _StudyRunner(
            recipe, trial_recipe, space, out, trials, limit, by_psnr, held_out, seed, deadline, progress
        )
        return runner.run(study)


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


def _trial_recipe(recipe: Recipe, vary: Space, epochs: int | None, quick: bool) -> Recipe:
    """Return the recipe at the length of a trial."""
    if quick and not recipe.quick:
        raise UsageError(f'recipe "{recipe.name}" has no [quick] table: give --epochs instead')
    short = dataclasses.replace(recipe.with_quick_values() if quick else recipe, study=(), quick={})
    if epochs is None:
        return short
    for key in ("train.epochs", "train.minutes"):
        if key in vary:
            raise UsageError(f"--epochs sets {key}, which --vary varies: give one of them")
    return short.with_changes({"train.epochs": epochs})


class _Duplicate(Exception):
    """These values were tried before."""


class _TrialFailed(Exception):
    """The trial failed; its result says why."""


@dataclass
class _StudyRunner:
    """Runs the trials of one session: `trial_recipe` is the recipe at the length of a trial.

    There are `limit` different trials at most, `trials` unless the space is smaller.
    """

    recipe: Recipe
    trial_recipe: Recipe
    space: Space
    out: Path
    trials: int
    limit: int
    by_psnr: bool
    held_out: NoisyImages | None
    seed: int
    deadline: float
    progress: Callable[[float, str, float], None]
    results: list[TrialResult] = field(default_factory=list)
    is_interrupted: bool = False
    num_duplicates: int = 0
    stopped: Literal["finished", "time", "interrupted"] | None = None

    def run(self, study: Any) -> StudyResult:
        """Run trials until there are enough or the time is over, and write the best recipe and the plot.

        Raises:
            PellucidError: if no trial was done.
            KeyboardInterrupt: after a second Ctrl-C.
        """
        optuna = import_optional("optuna", "tune", FEATURE)
        self.results = saved_results(study)
        try:
            requeue_interrupted(study, optuna.trial.TrialState)
            self._configure(study, optuna)
            self.stopped = self._stop_reason()
            if self.stopped is None:
                study.optimize(self._run_trial, catch=(_Duplicate, _TrialFailed), callbacks=[self._after_trial])
            if self.best is None:
                raise PellucidError(f"no trial succeeded: {self._failure_reason()}")
            self._draw_plot(study, optuna)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(
                f"{len(self.results)} of {self.trials} trials are kept in {self.out}, and the current one up to its "
                "last epoch; to continue: the same command with --resume"
            ) from interrupt
        assert self.stopped
        return StudyResult(tuple(self.results), self.best, self.by_psnr, self.out / BEST, self.out / PLOT, self.stopped)

    @property
    def best(self) -> TrialResult | None:
        """The best trial so far."""
        done = [result for result in self.results if result.state == "done"]
        sign = -1 if self.by_psnr else 1
        return min(done, key=lambda result: sign * (self._measure(result) or 0), default=None)

    def _measure(self, result: TrialResult) -> float | None:
        return result.psnr if self.by_psnr else result.loss

    def _folder(self, number: int) -> Path:
        return self.out / "trials" / f"{number:03d}"

    def _configure(self, study: Any, optuna: Any) -> None:
        """Set the samplers and the pruner, and let a new study try the recipe's own values first."""
        train, num_past = self.trial_recipe.train, len(study.trials)
        num_random = max(1, min(MAX_RANDOM_TRIALS, self.trials // 3))
        # A study that is resumed continues with other random numbers.
        seed = self.seed + num_past
        self.sampler = study.sampler = optuna.samplers.TPESampler(n_startup_trials=num_random, seed=seed)
        self.random_sampler = optuna.samplers.RandomSampler(seed)
        has_equal_lengths = not train.minutes and not {"train.epochs", "train.minutes"} & self.space.keys()
        pruner = optuna.pruners.MedianPruner(NUM_STARTUP_TRIALS, max(1, train.epochs // 3))
        study.pruner = pruner if has_equal_lengths else optuna.pruners.NopPruner()
        own = recipe_values(self.space, self.trial_recipe)
        if own and not num_past:
            study.enqueue_trial({key: kind.param(own[key]) for key, kind in self.space.items()})

    def _run_trial(self, trial: Any) -> float | None:
        """Run one trial for Optuna, and return its measure."""
        values = {key: kind.suggest(trial, key) for key, kind in self.space.items()}
        if NUMBER not in trial.user_attrs:
            if any(result.values == values for result in self.results):
                raise _Duplicate
            trial.set_user_attr(NUMBER, len(self.results) + 1)
        number = trial.user_attrs[NUMBER]

        def should_prune(epoch: int, measure: float) -> bool:
            trial.report(measure, epoch)
            return trial.should_prune()

        def on_interrupt() -> None:
            self.is_interrupted = True

        progress = self._progress_callback(number, values)
        settings = TrialSettings(self.trial_recipe, self.held_out, self.by_psnr, should_prune, progress, on_interrupt)
        try:
            result = run_trial(number, values, self._folder(number), settings)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(trial.params, user_attrs={NUMBER: number})
            raise
        trial.set_user_attr(RESULT, dataclasses.asdict(result))
        self._keep(result)
        if result.state == "pruned":
            raise import_optional("optuna", "tune", FEATURE).TrialPruned
        if result.state == "failed":
            raise _TrialFailed
        return self._measure(result)

    def _after_trial(self, study: Any, trial: Any) -> None:
        """Stop the study if it is time; after values that were tried before, choose the next ones at random."""
        is_duplicate = NUMBER not in trial.user_attrs
        self.num_duplicates = self.num_duplicates + 1 if is_duplicate else 0
        study.sampler = self.random_sampler if is_duplicate else self.sampler
        if len(self.results) >= MAX_FAILED_AT_START and all(result.state == "failed" for result in self.results):
            raise PellucidError(f"the first {len(self.results)} trials all failed: {self._failure_reason()}")
        self.stopped = self._stop_reason()
        if self.stopped:
            study.stop()

    def _stop_reason(self) -> Literal["finished", "time", "interrupted"] | None:
        if len(self.results) >= self.limit or self.num_duplicates >= MAX_DUPLICATES:
            return "finished"
        if self.is_interrupted:
            return "interrupted"
        return "time" if time.monotonic() > self.deadline else None

    def _progress_callback(self, number: int, values: dict[str, Any]) -> Callable[[TrainProgress], None]:
        best, times = self.best, [result.seconds for result in self.results if result.state != "failed"]
        tried = ", ".join(f"{_short_key(key)} {text_of(value)}" for key, value in values.items())
        text = f"trial {number}/{self.trials}: {tried}"
        if best:
            text += f" · best {self._measure(best):.5g}"

        def report_progress(now: TrainProgress) -> None:
            fraction, left = now.step / now.total_steps, now.seconds_left
            per_trial = statistics.mean(times) if times else left / (1 - fraction) if fraction < 1 else 0
            if not self.is_interrupted:
                later = per_trial * (self.limit - len(self.results) - 1)
                left += min(later, max(0, self.deadline - time.monotonic() - left))
            suffix = " · ending after this one, Ctrl-C again ends now" if self.is_interrupted else ""
            self.progress(len(self.results) + fraction, text + suffix, left)

        return report_progress

    def _keep(self, result: TrialResult) -> None:
        """Add a result; write the best recipe and delete all networks but the best one's."""
        previous = self.best
        self.results.append(result)
        best = self.best
        if best and best is not previous:
            self._write_best(best)
        for other in self.results:
            run = RunFolder(self._folder(other.number))
            run.last.unlink(missing_ok=True)
            if other is not best:
                run.best.unlink(missing_ok=True)

    def _write_best(self, best: TrialResult) -> None:
        """Write the whole recipe with the best trial's values, and note what they were before."""
        recipe = self.recipe
        changes = [
            f"{key} = {text_of(value)}, tuned (was {text_of(current_value(recipe, key))})"
            for key, value in best.values.items()
            if value != current_value(recipe, key)
        ]
        texts = {"name": f"{recipe.name}-tuned", "origin.deviations": [*recipe.origin.deviations, *changes]}
        with atomic_write(self.out / BEST) as temporary:
            temporary.write_text(recipe.with_changes({**best.values, **texts}).to_toml(), encoding="utf-8")

    def _draw_plot(self, study: Any, optuna: Any) -> None:
        """Draw the measure of each trial against the values of each key."""
        matplotlib, content = import_optional("matplotlib", "train", FEATURE), io.BytesIO()
        measures = [self._measure(result) or 0.0 for result in self.results if result.state == "done"]
        best = (max if self.by_psnr else min)(measures)
        with warnings.catch_warnings(), matplotlib.rc_context():
            warnings.simplefilter("ignore")  # the plot is experimental in Optuna, and a single trial has no x range
            matplotlib.use("agg")
            name = "PSNR, dB" if self.by_psnr else "validation loss"
            axes = optuna.visualization.matplotlib.plot_slice(study, list(self.space), target_name=name)
            first = np.ravel(axes)[0]
            first.set_ylim(*plot_limits(measures, best))
            first.figure.savefig(content, format="png", bbox_inches="tight")
            import_optional("matplotlib.pyplot", "train", FEATURE).close(first.figure)
        with atomic_write(self.out / PLOT) as temporary:
            temporary.write_bytes(content.getvalue())

    def _failure_reason(self) -> str:
        """Return why the last trial failed."""
        return next((result.note for result in reversed(self.results) if result.note), "all were pruned")


def plot_limits(measures: Sequence[float], best: float) -> tuple[float, float]:
    """Return the limits of a plot that shows all measures but those far from the best one."""
    reach = OUTLIER_SPREAD * statistics.median(abs(measure - best) for measure in measures)
    near = [measure for measure in measures if abs(measure - best) <= reach]
    margin = 0.07 * (max(near) - min(near)) or 0.01
    return min(near) - margin, max(near) + margin


def _short_key(key: str) -> str:
    """Return the last part of a key; for a component's name the component."""
    return key.removesuffix(".name").rpartition(".")[2]
