"""Train a recipe: one loop, one screen; atomic checkpoints, and resuming equals not stopping, to the bit."""

import contextlib
import dataclasses
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pellucid import checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train import autotune
from pellucid.train.batches import NoisyImages, training_sets
from pellucid.train.checks import check_images
from pellucid.train.distributed import Group, joined
from pellucid.train.malloc import freed_memory_kept
from pellucid.train.overfitting import overfitting
from pellucid.train.pretrained import starting_weights
from pellucid.train.run_state import RunState, settled_recipe
from pellucid.train.validation import validation_loss
from pellucid.utils.atomic_write import atomic_write, remove_leftovers
from pellucid.utils.seeding import make_generator

Watch = Callable[[Any, int], object]
SAVE_SECONDS = 60.0
ROLES = {"denoise": "denoiser", "classify": "classifier", "estimate": "estimator"}


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done and in all, epochs, the last losses, speed, and the seconds left."""

    step: int
    total_steps: int
    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        best: the checkpoint of the epoch with the least validation loss.
        recipe: the recipe with threads and precision settled.
        history: one entry per epoch: epoch, step, train_loss, validation_loss, lr, samples_per_second and the seconds
            that its steps took.
        stopped: "finished", "early" (validation loss no longer fell) or "interrupted".
        overfitting: what the curves say, in words, or None.
    """

    best: Path
    recipe: Recipe
    history: list[dict[str, Any]]
    stopped: str
    overfitting: str | None


@dataclass(frozen=True)
class Run:
    """What a run learns from, where it writes, whom it tells and shows, what stops it, and the processes in it."""

    training: NoisyImages
    validation: NoisyImages
    out: Path
    progress: Callable[[Progress], None]
    record: Callable[[dict[str, Any]], None]
    watch: Watch
    interrupted: threading.Event
    group: Group


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    tensorboard: bool = False,
    watch: Watch | None = None,
) -> Result:
    """Train the recipe's model and write recipe.toml, stats.jsonl, best.safetensors and last.safetensors into `out`.

    With `resume`, a run that was stopped at any moment continues as if it had not been. Ctrl-C ends the run after the
    step at hand and leaves both checkpoints in order. Started by torchrun, each process takes its part of every batch,
    and the leading one alone writes, tells `progress` and calls `watch`.

    Args:
        recipe: what to train.
        out: the folder of the run.
        resume: whether to continue what stopped there.
        progress: told after every step how far it is.
        tensorboard: whether to write TensorBoard's files too.
        watch: called after each epoch with the averaged network, in evaluation mode and to be left as it is, and the
            number of epochs done; its time is not part of `train.minutes`.

    Raises:
        UsageError: if the recipe does not hold together or does not go with its images, or `out` holds a run and
            `resume` is not given.
        PellucidError: if the data is absent, the loss is no longer finite, or a file cannot be written.
    """
    with joined() as group:
        return _train(recipe, out, group, resume, (progress or _silent, watch or _unseen), tensorboard)


def _train(
    recipe: Recipe,
    out: Path,
    group: Group,
    resume: bool,
    told: tuple[Callable[[Progress], None], Watch],
    tensorboard: bool,
) -> Result:
    recipe.check()
    last, best = out / "last.safetensors", out / "best.safetensors"
    resumed = settled_recipe(last, recipe, resume)
    weights = None if resumed else starting_weights(recipe)
    training, validation = training_sets(recipe)
    torch.manual_seed(recipe.train.seed)
    model = recipe.build("model")
    check_images(recipe, model, training)
    known = training.told_range | {"stretched": recipe.data.stretched}
    model.input_spec = dataclasses.replace(model.input_spec, **known)
    if weights:
        model.load_state_dict(weights)
    _make_folder(out)
    tensorboard = tensorboard and group.leads
    progress, watch = told if group.leads else (_silent, _unseen)
    with _own_threads(), freed_memory_kept(), _interruption() as interrupted, _record(out, tensorboard) as record:
        started = time.monotonic()
        recipe = resumed or autotune.settle(recipe, model, training, group)
        torch.set_num_threads(recipe.train.threads)
        if recipe.train.precision == "bf16" and not model.has_skips:
            training = training.in_bf16()
        if not resumed:
            recipe = autotune.with_length(recipe, model, training, validation, group, time.monotonic() - started)
        state = RunState.start(recipe, model, group)
        if resumed:
            state.restore(last)
        if group.leads:
            _write_beginning(state, out, resumed is not None)
        run = Run(training, validation, out, progress, record, watch, interrupted, group)
        stopped = _loop(state, run)
        if stopped == "interrupted" and group.leads and not best.exists():
            checkpoint.save(best, _as_checkpoint(state, run))
        group.wait()
    return Result(best, recipe, state.history, stopped, overfitting(state.history))


def _write_beginning(state: RunState, out: Path, resumed: bool) -> None:
    """Write what is to be there before the next step, so that a run killed at any moment continues as settled."""
    remove_leftovers(out)
    if resumed:
        _write_history(state, out)
    else:
        _write_text(out / "recipe.toml", state.recipe.to_toml())
        state.save(out / "last.safetensors")


def _loop(state: RunState, run: Run) -> str:
    options, training = state.recipe.train, run.training
    steps_per_epoch = options.epoch_steps(len(training))
    total = steps_per_epoch * options.epochs
    saved = time.monotonic()
    while len(state.history) < options.epochs:
        if 0 < options.patience <= state.waited:
            return "early"
        epoch = len(state.history)
        first = state.done - epoch * steps_per_epoch
        interrupted = False
        order = torch.randperm(len(training), generator=make_generator(options.seed, "order", epoch))
        state.step.model.train()
        for position in range(first, steps_per_epoch):
            start = time.perf_counter()
            # Batches, their noise and the rate depend on the seed and the step alone, so a resumed run meets the same.
            index = order[position * options.batch_size : (position + 1) * options.batch_size]
            purpose = run.group.purpose("noise", state.done)
            batch = training.batch(run.group.share(index), make_generator(options.seed, *purpose))
            _set_rate(state, total)
            loss = state.step(batch)
            if not math.isfinite(loss):
                raise PellucidError(_diverged(state, loss))
            state.average()
            state.done += 1
            state.loss_sum += loss * len(index)
            state.seen += len(index)
            state.seconds += time.perf_counter() - start
            run.progress(_where(state, steps_per_epoch, total))
            if interrupted := run.group.any(run.interrupted.is_set()):
                break
            if run.group.leads and time.monotonic() - saved > SAVE_SECONDS:
                state.save(run.out / "last.safetensors")
                saved = time.monotonic()
        if state.done == (epoch + 1) * steps_per_epoch:
            _close_epoch(state, run)
        if interrupted:
            if run.group.leads:
                state.save(run.out / "last.safetensors")
            return "interrupted"
    return "finished"


def _close_epoch(state: RunState, run: Run) -> None:
    """Validate, note the epoch, keep the best weights, and save the state from which the next epoch starts."""
    # Where a network keeps statistics of its batches, they differ from process to process; the leader's are written.
    loss = validation_loss(state.averaged, state.step, run.validation, state.recipe.train)
    loss = run.group.leader_says(loss)
    out = run.out
    entry = {
        "epoch": len(state.history) + 1,
        "step": state.done,
        "train_loss": state.loss_sum / state.seen,
        "validation_loss": loss,
        "lr": state.step.optimizer.param_groups[0]["lr"],
        "samples_per_second": state.seen / state.seconds,
        "seconds": state.seconds,
    }
    state.history.append(entry)
    state.loss_sum, state.seen, state.seconds = 0.0, 0, 0.0
    state.waited += 1
    is_best = loss < state.best
    if is_best:
        state.best, state.waited = loss, 0
    if not run.group.leads:
        return
    run.record(entry)
    if is_best:
        checkpoint.save(out / "best.safetensors", _as_checkpoint(state, run))
    state.save(out / "last.safetensors")
    _write_history(state, out)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        run.watch(state.averaged, len(state.history))


def _set_rate(state: RunState, total: int) -> None:
    options, done = state.recipe.train, state.done
    if options.schedule == "constant" and not options.warmup:
        return
    rate = options.lr * min(1.0, (done + 1) / (options.warmup + 1))
    held = options.hold * total
    if options.schedule == "cosine" and done > held:
        rate *= 0.5 * (1 + math.cos(math.pi * (done - held) / (total - held)))
    for group in state.step.optimizer.param_groups:
        group["lr"] = rate


def _where(state: RunState, steps_per_epoch: int, total: int) -> Progress:
    per_epoch = [entry["seconds"] for entry in state.history]
    spent, seen = sum(per_epoch) + state.seconds, state.done
    options = state.recipe.train
    return Progress(
        step=state.done,
        total_steps=total,
        epoch=min(options.epochs, state.done // steps_per_epoch + 1),
        epochs=options.epochs,
        train_loss=state.loss_sum / max(state.seen, 1),
        validation_loss=state.history[-1]["validation_loss"] if state.history else None,
        samples_per_second=seen * options.batch_size / spent,
        seconds_left=(total - seen) * spent / seen,
    )


def _as_checkpoint(state: RunState, run: Run) -> checkpoint.Checkpoint:
    network: Any = state.averaged
    figures = {"epochs": len(state.history)}
    if state.history:
        figures |= {name: state.history[-1][name] for name in ("train_loss", "validation_loss")}
    return checkpoint.Checkpoint(state.recipe, {ROLES[network.task]: network}, figures, run.training.classes)


def _diverged(state: RunState, loss: float) -> str:
    options = state.recipe.train
    advice = f"try a lower train.lr (it is {options.lr:g}), train.gradient_clip = 1.0"
    if options.precision == "bf16":
        advice += ', train.precision = "fp32"'
    return f"the training loss became {loss} at step {state.done + 1}: {advice}"


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the folder {out}: {error.strerror}; give another --out") from error


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_history(state: RunState, out: Path) -> None:
    _write_text(out / "stats.jsonl", "".join(json.dumps(entry) + "\n" for entry in state.history))


def _silent(_: Progress) -> None:
    """Report nothing."""


def _unseen(model: Any, epoch: int) -> None:
    """Show nothing."""


@contextlib.contextmanager
def _record(out: Path, tensorboard: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield what takes each epoch's entry; with TensorBoard it draws the curves there too."""
    if not tensorboard:
        yield lambda entry: None
        return
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise UsageError("TensorBoard is not installed: pip install 'pellucid[tensorboard]'") from error
    with SummaryWriter(str(out / "tensorboard")) as writer:

        def record(entry: dict[str, Any]) -> None:
            for name in ("train_loss", "validation_loss", "lr", "samples_per_second"):
                writer.add_scalar(name, entry[name], entry["epoch"])

        yield record


@contextlib.contextmanager
def _own_threads() -> Iterator[None]:
    """Give the caller its number of threads back at the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _interruption() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; the second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
