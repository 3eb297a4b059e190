"""Train a recipe: one loop, atomic checkpoints, and a resumed run that equals an uninterrupted one to the bit."""

import contextlib
import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pellucid import checkpoint
from pellucid.errors import PellucidError
from pellucid.recipes.recipe import Recipe
from pellucid.train import autotune
from pellucid.train.batches import NoisyImages, training_sets
from pellucid.train.checks import check_images
from pellucid.train.distributed import ProcessGroup, process_group
from pellucid.train.malloc import keep_freed_memory
from pellucid.train.pretrained import pretrained_weights
from pellucid.train.run_folder import EpochEntry, RunFolder
from pellucid.train.run_state import RunState, saved_recipe
from pellucid.train.validation import describe_overfitting, validation_loss
from pellucid.utils.atomic_write import remove_leftovers
from pellucid.utils.device import resolve_device, torch_threads
from pellucid.utils.paths import make_folder
from pellucid.utils.seeding import make_generator

EpochCallback = Callable[[Any, int], object]
SAVE_SECONDS = 60.0
ROLES = {"denoise": "denoiser", "classify": "classifier", "estimate": "estimator"}


@dataclass(frozen=True)
class TrainProgress:
    """The progress of a run after a step: steps and epochs so far and in all, last losses, speed, seconds left."""

    step: int
    total_steps: int
    epoch: int
    epochs: int
    train_loss: float
    validation_loss: float | None
    samples_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        best: the checkpoint of the epoch with the lowest validation loss.
        recipe: the recipe with the autotuned values.
        history: one entry per epoch: epoch, step, train_loss, validation_loss, lr, samples_per_second and the seconds
            that its steps took.
        stopped: "finished", "early" (the validation loss stopped falling) or "interrupted".
        overfitting: a sentence on the loss curves if they show overfitting, or None.
    """

    best: Path
    recipe: Recipe
    history: list[EpochEntry]
    stopped: str
    overfitting: str | None


@dataclass(frozen=True)
class RunContext:
    """The images, the folder, the callbacks and the processes of a run; `interrupted` is set by Ctrl-C."""

    training: NoisyImages
    validation: NoisyImages
    folder: RunFolder
    progress: Callable[[TrainProgress], object]
    log_epoch: Callable[[EpochEntry], None]
    on_epoch_end: EpochCallback
    interrupted: threading.Event
    group: ProcessGroup


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Callable[[TrainProgress], object] | None = None,
    tensorboard: bool = False,
    on_epoch_end: EpochCallback | None = None,
) -> TrainResult:
    """Train the recipe's model and write recipe.toml, stats.jsonl, best.safetensors and last.safetensors into `out`.

    With `resume`, a run that stopped at any moment continues as if it had not stopped. Ctrl-C ends the run after the
    current step, with both checkpoints complete. If torchrun started this process, each process takes its part of every
    batch, and the main one alone writes files and calls `progress` and `on_epoch_end`.

    Args:
        recipe: the experiment.
        out: the folder of the run.
        resume: whether to continue the run that is in the folder.
        progress: called after every step.
        tensorboard: whether to write TensorBoard's files too.
        on_epoch_end: called after each epoch with the averaged network, in evaluation mode and on the device of the
            training, and the number of epochs so far. It must not change the network. Its time is not part of
            `train.minutes`.

    Raises:
        UsageError: if the recipe is not consistent or does not fit its images, if this machine lacks its device, or if
            `out` holds a run and `resume` is False.
        PellucidError: if the data is absent, the loss is no longer finite, or a file cannot be written.
    """
    with process_group() as group:
        callbacks = (progress or _no_progress, on_epoch_end or _no_epoch_callback)
        return _train(recipe, RunFolder(out), group, resume, callbacks, tensorboard)


def _train(
    recipe: Recipe,
    folder: RunFolder,
    group: ProcessGroup,
    resume: bool,
    callbacks: tuple[Callable[[TrainProgress], object], EpochCallback],
    tensorboard: bool,
) -> TrainResult:
    recipe.check()
    device = resolve_device(recipe.train.device)
    resumed = saved_recipe(folder, recipe, resume)
    weights = None if resumed else pretrained_weights(recipe)
    training, validation = training_sets(recipe)
    model = _make_model(recipe, training, weights).to(device)
    make_folder(folder.path, "give another --out")
    progress, on_epoch_end = callbacks if group.is_main else (_no_progress, _no_epoch_callback)
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch_threads())
        stack.enter_context(keep_freed_memory())
        interrupted = stack.enter_context(interrupt_flag())
        log_epoch = stack.enter_context(folder.epoch_logger(tensorboard and group.is_main))
        start = time.monotonic()
        recipe = resumed or autotune.autotune(recipe, model, training, group)
        torch.set_num_threads(recipe.train.threads)
        if recipe.train.precision == "bf16" and not model.has_skips:
            training = training.in_bf16()
        if not resumed:
            elapsed = time.monotonic() - start
            recipe = autotune.epochs_from_minutes(recipe, model, training, validation, group, elapsed)
        state = RunState.start(recipe, model, group)
        if resumed:
            state.restore(folder.last)
        if group.is_main:
            _write_initial_state(state, folder, resumed is not None)
        run = RunContext(training, validation, folder, progress, log_epoch, on_epoch_end, interrupted, group)
        stopped = _loop(state, run)
        if stopped == "interrupted" and group.is_main and not folder.best.exists():
            checkpoint.save(folder.best, _as_checkpoint(state, run))
        group.barrier()
    return TrainResult(folder.best, recipe, state.history, stopped, describe_overfitting(state.history))


def _make_model(recipe: Recipe, images: NoisyImages, weights: dict[str, Tensor] | None) -> Any:
    """Return the recipe's network with its first weights: random ones from the seed, or those that are given."""
    torch.manual_seed(recipe.train.seed)
    model = recipe.build("model")
    check_images(recipe, model, images)
    input_range = images.input_range | {"stretched": recipe.data.stretched}
    model.input_spec = dataclasses.replace(model.input_spec, **input_range)
    if weights:
        model.load_state_dict(weights)
    return model


def _write_initial_state(state: RunState, folder: RunFolder, resumed: bool) -> None:
    """Write what must be there before the next step, so that a run that is killed at any moment can continue."""
    remove_leftovers(folder.path)
    if resumed:
        folder.write_stats(state.history)
    else:
        folder.write_recipe(state.recipe.to_toml())
        state.save(folder.last)


def _loop(state: RunState, run: RunContext) -> str:
    """Train until the last epoch, and return how the run ended (see `TrainResult.stopped`)."""
    options = state.recipe.train
    steps_per_epoch = options.epoch_steps(len(run.training))
    last_save = time.monotonic()
    while len(state.history) < options.epochs:
        if 0 < options.patience <= state.epochs_without_improvement:
            return "early"
        epoch, interrupted = len(state.history), False
        order = torch.randperm(len(run.training), generator=make_generator(options.seed, "order", epoch))
        state.training_step.model.train()
        for position in range(state.global_step - epoch * steps_per_epoch, steps_per_epoch):
            index = order[position * options.batch_size : (position + 1) * options.batch_size]
            _take_step(state, run, index, steps_per_epoch)
            if interrupted := run.group.any(run.interrupted.is_set()):
                break
            if run.group.is_main and time.monotonic() - last_save > SAVE_SECONDS:
                state.save(run.folder.last)
                last_save = time.monotonic()
        if state.global_step == (epoch + 1) * steps_per_epoch:
            _end_epoch(state, run)
        if interrupted:
            if run.group.is_main:
                state.save(run.folder.last)
            return "interrupted"
    return "finished"


def _take_step(state: RunState, run: RunContext, index: Tensor, steps_per_epoch: int) -> None:
    """Take a step on the images at `index`, (B,), and count it."""
    start = time.perf_counter()
    options, step = state.recipe.train, state.training_step
    total_steps = steps_per_epoch * options.epochs
    # Batches, their noise and the learning rate depend on the seed and the step alone: a resumed run gets the same.
    key = run.group.rng_key("noise", state.global_step)
    generator = make_generator(options.seed, *key, device=step.device)
    batch = run.training.batch(run.group.shard(index), generator)
    _set_learning_rate(state, total_steps)
    loss = step(batch)
    if not math.isfinite(loss):
        raise PellucidError(_divergence_message(state, loss))
    state.update_ema()
    state.global_step += 1
    state.loss_sum += loss * len(index)
    state.num_samples += len(index)
    state.epoch_seconds += time.perf_counter() - start
    run.progress(_make_progress(state, steps_per_epoch, total_steps))


def _end_epoch(state: RunState, run: RunContext) -> None:
    """Validate, log the epoch, keep the best weights, and save the state from which the next epoch starts."""
    # If a network keeps statistics of its batches, they differ between processes; the main process's are written.
    loss = validation_loss(state.ema_model, state.training_step, run.validation, state.recipe.train)
    loss = run.group.broadcast(loss)
    entry = {
        "epoch": len(state.history) + 1,
        "step": state.global_step,
        "train_loss": state.loss_sum / state.num_samples,
        "validation_loss": loss,
        "lr": state.training_step.lr,
        "samples_per_second": state.num_samples / state.epoch_seconds,
        "seconds": state.epoch_seconds,
    }
    state.history.append(entry)
    state.loss_sum, state.num_samples, state.epoch_seconds = 0.0, 0, 0.0
    state.epochs_without_improvement += 1
    is_best = loss < state.best_loss
    if is_best:
        state.best_loss, state.epochs_without_improvement = loss, 0
    if not run.group.is_main:
        return
    run.log_epoch(entry)
    if is_best:
        checkpoint.save(run.folder.best, _as_checkpoint(state, run))
    state.save(run.folder.last)
    run.folder.write_stats(state.history)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        run.on_epoch_end(state.ema_model, len(state.history))


def _set_learning_rate(state: RunState, total_steps: int) -> None:
    """Set the rate of the next step: it warms up, stays, and may fall along half a cosine."""
    options, step = state.recipe.train, state.global_step
    lr = options.lr * min(1.0, (step + 1) / (options.warmup + 1))
    hold_steps = options.hold_fraction * total_steps
    if options.schedule == "cosine" and step > hold_steps:
        lr *= 0.5 * (1 + math.cos(math.pi * (step - hold_steps) / (total_steps - hold_steps)))
    state.training_step.lr = lr


def _make_progress(state: RunState, steps_per_epoch: int, total_steps: int) -> TrainProgress:
    options, step = state.recipe.train, state.global_step
    seconds = sum(entry["seconds"] for entry in state.history) + state.epoch_seconds
    return TrainProgress(
        step=step,
        total_steps=total_steps,
        epoch=min(options.epochs, step // steps_per_epoch + 1),
        epochs=options.epochs,
        train_loss=state.loss_sum / max(state.num_samples, 1),
        validation_loss=state.history[-1]["validation_loss"] if state.history else None,
        samples_per_second=step * options.batch_size / seconds,
        seconds_left=(total_steps - step) * seconds / step,
    )


def _as_checkpoint(state: RunState, run: RunContext) -> checkpoint.Checkpoint:
    network: Any = state.ema_model
    metrics = {"epochs": len(state.history)}
    if state.history:
        metrics |= {name: state.history[-1][name] for name in ("train_loss", "validation_loss")}
    return checkpoint.Checkpoint(state.recipe, {ROLES[network.task]: network}, metrics, run.training.classes)


def _divergence_message(state: RunState, loss: float) -> str:
    options = state.recipe.train
    advice = f"try a lower train.lr (it is {options.lr:g}), train.gradient_clip = 1.0"
    if options.precision == "bf16":
        advice += ', train.precision = "fp32"'
    return f"the training loss became {loss} at step {state.global_step + 1}: {advice}"


def _no_progress(_: TrainProgress) -> None:
    """Report nothing."""


def _no_epoch_callback(model: Any, epoch: int) -> None:
    """Do nothing."""


@contextlib.contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets; a second one interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def set_event(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, set_event)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
