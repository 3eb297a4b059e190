"""One sitting of a study: what is tried next, what is kept of it, and how far it is."""

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid.errors import PellucidError
from pellucid.recipes.recipe import Recipe
from pellucid.report.tuning_plot import Panel, tuning_plot
from pellucid.train.batches import NoisyImages
from pellucid.train.loop import TrainProgress
from pellucid.tune import storage
from pellucid.tune.space import Choices, Space, own_values, present, text_of
from pellucid.tune.trial import Outcome, Setting, run_trial
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.optional_imports import need

MOST_AT_RANDOM = 10
UNPRUNED = 4  # trials that run to their end before any is given up
FAILURES = 3  # so many at the start, and nothing else, end a study
TRIES = 1000
WEIGHTS = ("best.safetensors", "last.safetensors")
BEST, PLOT = "best.toml", "tune.png"


@dataclass(frozen=True)
class TuningProgress:
    """How far a study is.

    Attributes:
        done: the trials that ended, in all sessions.
        trials: how many there are to be.
        share: how much of the trial at hand is done, in [0, 1].
        number: that of the trial at hand.
        values: what it changes in the recipe.
        best: how good the best trial is, or None.
        seconds_left: an estimate.
        ending: whether Ctrl-C ends the study after this trial.
    """

    done: int
    trials: int
    share: float
    number: int
    values: dict[str, Any]
    best: float | None
    seconds_left: float
    ending: bool


@dataclass(frozen=True)
class Tuned:
    """What came of a study.

    Attributes:
        outcomes: the trials by their numbers.
        best: the best of those that were done.
        by_psnr: whether PSNR says which is best, rather than the validation loss.
        recipe: the file that holds the whole recipe with the best trial's values.
        plot: the picture of all trials.
        stopped: "finished", "time" or "interrupted".
    """

    outcomes: tuple[Outcome, ...]
    best: Outcome
    by_psnr: bool
    recipe: Path
    plot: Path
    stopped: Literal["finished", "time", "interrupted"]


@dataclass
class Session:
    """Runs trials; the arguments are those of `tune`, `short` being the recipe at the length of a trial."""

    recipe: Recipe
    short: Recipe
    space: Space
    out: Path
    trials: int
    by_psnr: bool
    held_out: NoisyImages | None
    seed: int
    progress: Callable[[TuningProgress], None]
    outcomes: list[Outcome] = field(default_factory=list)
    ending: bool = False
    deadline: float = math.inf

    def run(self, study: Any, minutes: float) -> Tuned:
        """Run trials until there are enough or the time is over, and write what came of them.

        Raises:
            PellucidError: if none came to a good end.
            KeyboardInterrupt: after a second Ctrl-C.
        """
        self.deadline = time.monotonic() + 60 * minutes if minutes else math.inf
        try:
            self.outcomes = storage.outcomes(study)
            storage.take_up(study)
            self._choose_by(study)
            stopped = self._run_trials(study)
            best = self.best
            if best is None:
                raise PellucidError(f"no trial came to a good end: {self._why()}")
            plot = self._draw_plot()
        except KeyboardInterrupt as interrupt:
            kept = f"{len(self.outcomes)} of {self.trials} trials are kept in {self.out}"
            raise KeyboardInterrupt(
                f"{kept}, the one at hand as far as it came; to continue: the same command with --resume"
            ) from interrupt
        return Tuned(tuple(self.outcomes), best, self.by_psnr, self.out / BEST, plot, stopped)

    @property
    def best(self) -> Outcome | None:
        """The best trial so far."""
        done = [outcome for outcome in self.outcomes if outcome.state == "done"]
        sign = -1 if self.by_psnr else 1
        return min(done, key=lambda outcome: sign * (self.measured(outcome) or 0), default=None)

    def measured(self, outcome: Outcome) -> float | None:
        """Return how good a trial was, in the study's measure."""
        return outcome.psnr if self.by_psnr else outcome.loss

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.out / "trials" / f"{number:03d}"

    def _choose_by(self, study: Any) -> None:
        """Set what draws values and what gives trials up, and have the recipe's own values tried first."""
        optuna = need("optuna", "tune", storage.PURPOSE)
        past = len(study.trials)
        at_random = max(1, min(MOST_AT_RANDOM, self.trials // 3))
        # A study that is continued draws on, rather than once more what it drew first.
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=at_random, seed=self.seed + past)
        is_even = not self.short.train.minutes and not {"train.epochs", "train.minutes"} & self.space.keys()
        pruner = optuna.pruners.MedianPruner(UNPRUNED, max(1, self.short.train.epochs // 3))
        study.pruner = pruner if is_even else optuna.pruners.NopPruner()
        own = own_values(self.space, self.short)
        if own and not past:
            study.enqueue_trial(storage.drawn_for(self.space, own))

    def _run_trials(self, study: Any) -> Literal["finished", "time", "interrupted"]:
        while len(self.outcomes) < self.trials:
            if self.ending:
                return "interrupted"
            if time.monotonic() > self.deadline:
                return "time"
            trial = self._next(study)
            if trial is None:
                break
            self._run_trial(study, trial)
            if len(self.outcomes) >= FAILURES and all(outcome.state == "failed" for outcome in self.outcomes):
                raise PellucidError(f"the first {len(self.outcomes)} trials all failed: {self._why()}")
        return "finished"

    def _next(self, study: Any) -> Any:
        """Return Optuna's next trial, or None if there is nothing left to try."""
        wanted = storage.distributions(self.space)
        trial = study.ask(wanted)
        tried = [outcome.values for outcome in self.outcomes]
        if storage.NUMBER not in trial.user_attrs:
            if storage.chosen(self.space, trial.params) in tried:
                storage.drop(study, trial.number)
                other = self._untried(tried, len(study.trials))
                if other is None:
                    return None
                study.enqueue_trial(storage.drawn_for(self.space, other))
                trial = study.ask(wanted)
            trial.set_user_attr(storage.NUMBER, len(self.outcomes) + 1)
        return trial

    def _untried(self, tried: list[dict[str, Any]], past: int) -> dict[str, Any] | None:
        """Return values that no trial had, at random, or None if none are found."""
        chance = random.Random(f"{self.seed} {past}")
        kinds = list(self.space.values())
        if all(isinstance(kind, Choices) for kind in kinds):
            grid = itertools.product(*(kind.samples() for kind in kinds))
            combined = list(itertools.islice(grid, TRIES * TRIES))
            chance.shuffle(combined)
        else:
            combined = (tuple(kind.at(chance.random()) for kind in kinds) for _ in range(TRIES))
        found = (dict(zip(self.space, values, strict=True)) for values in combined)
        return next((values for values in found if values not in tried), None)

    def _run_trial(self, study: Any, trial: Any) -> None:
        number, values = trial.user_attrs[storage.NUMBER], storage.chosen(self.space, trial.params)

        def judge(epoch: int, measured: float) -> bool:
            trial.report(measured, epoch)
            return trial.should_prune()

        def interrupt() -> None:
            self.ending = True

        follow = self._following(number, values)
        setting = Setting(self.short, self.held_out, self.by_psnr, judge, follow, interrupt)
        outcome = run_trial(number, values, self.folder(number), setting)
        storage.end(study, trial, outcome, self.measured(outcome))
        before = self.best
        self.outcomes.append(outcome)
        if self.best is not before:
            self._write_best()
        self._drop_weights()

    def _following(self, number: int, values: dict[str, Any]) -> Callable[[TrainProgress], None]:
        best = self.best
        measured = None if best is None else self.measured(best)
        times = [outcome.seconds for outcome in self.outcomes if outcome.state != "failed"]

        def follow(where: TrainProgress) -> None:
            share, left = where.step / where.total_steps, where.seconds_left
            each = statistics.mean(times) if times else left / (1 - share) if share < 1 else 0
            if not self.ending:
                later = each * (self.trials - len(self.outcomes) - 1)
                left += min(later, max(0, self.deadline - time.monotonic() - left))
            told = (len(self.outcomes), self.trials, share, number, values, measured, left, self.ending)
            self.progress(TuningProgress(*told))

        return follow

    def _write_best(self) -> None:
        """Write the whole recipe with the best trial's values, and what they were before."""
        best, recipe = self.best, self.recipe
        assert best
        changes = [
            f"{key} = {text_of(value)}, tuned (was {text_of(present(recipe, key))})"
            for key, value in best.values.items()
            if value != present(recipe, key)
        ]
        named = {"name": f"{recipe.name}-tuned", "origin.deviations": [*recipe.origin.deviations, *changes]}
        with atomic_write(self.out / BEST) as temporary:
            temporary.write_text(recipe.with_changes({**best.values, **named}).to_toml(), encoding="utf-8")

    def _drop_weights(self) -> None:
        """Delete the networks of all trials that ended but the best one's."""
        best = self.best
        for outcome in self.outcomes:
            for name in WEIGHTS:
                if outcome is not best or name != WEIGHTS[0]:
                    (self.folder(outcome.number) / name).unlink(missing_ok=True)

    def _draw_plot(self) -> Path:
        """Draw what was measured against each key."""
        shown = [outcome for outcome in self.outcomes if self.measured(outcome) is not None]
        panels = []
        for key, kind in self.space.items():
            values = [outcome.values[key] for outcome in shown]
            if isinstance(kind, Choices):
                panels.append(Panel(key, [text_of(value) for value in values], order=list(map(text_of, kind.values))))
            else:
                panels.append(Panel(key, values, log=kind.log))
        marks = ["best" if outcome is self.best else outcome.state for outcome in shown]
        measured = [self.measured(outcome) or 0.0 for outcome in shown]
        drawn = tuning_plot(panels, measured, marks, "PSNR, dB" if self.by_psnr else "validation loss")
        with atomic_write(self.out / PLOT) as temporary:
            temporary.write_bytes(drawn)
        return self.out / PLOT

    def _why(self) -> str:
        """Say why the last trial failed."""
        return next((outcome.note for outcome in reversed(self.outcomes) if outcome.note), "all were given up")
