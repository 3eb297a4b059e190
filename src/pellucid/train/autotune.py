"""Choose threads, precision and the number of epochs by timing a few training steps of the recipe itself.

Two threads can be ten times slower than one on a busy machine, and bfloat16 only pays where the processor has it.
"""

import copy
import dataclasses
import math
import statistics
import time

import torch
from torch import Tensor, nn

from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.train.distributed import ProcessGroup
from pellucid.train.step import TrainingStep
from pellucid.train.validation import BATCH_SIZE, validation_loss
from pellucid.utils.device import torch_threads
from pellucid.utils.seeding import make_generator
from pellucid.utils.system import num_cores

WARMUP_STEPS, TIMED_STEPS = 2, 5
EPOCH_WARMUP_STEPS, MIN_TIMED_STEPS, MAX_TIMED_STEPS = 3, 5, 20
# Timing ends early after so many seconds, or after this fraction of the minutes.
MAX_TIMING_SECONDS, TIMING_FRACTION = 5.0, 0.02
MAX_CHOICE_FRACTION = 0.1  # of the minutes, after which no further choice is timed
GIVE_UP_FACTOR = 3  # a choice this many times slower than the best one is timed no longer
STEPS_FRACTION = 0.97  # of the time; the rest is for writing checkpoints
MIN_WHOLE_EPOCHS = 10  # from here on whole epochs waste little time
MIN_EPOCHS = 4
VALIDATION_FRACTION = 0.2  # of the time at most, where epochs are shortened


def autotune(recipe: Recipe, model: nn.Module, images: NoisyImages, group: ProcessGroup | None = None) -> Recipe:
    """Return the recipe with `threads` and `precision` chosen: those that it names are kept, the others are timed.

    In a group each process gets its part of the cores, and the main one chooses for all. On a GPU the number of threads
    matters little and is not timed.
    """
    options, group = recipe.train, group or ProcessGroup()
    count = max(1, num_cores() // group.world_size)
    is_on_cpu = next(model.parameters()).device.type == "cpu"
    candidates = tuple(dict.fromkeys((1, max(1, count // 2), count))) if is_on_cpu else (count,)
    threads = (options.threads,) if options.threads else candidates
    precisions = ("fp32", "bf16") if options.precision == "auto" else (options.precision,)
    choices = [
        dataclasses.replace(recipe, train=dataclasses.replace(options, threads=number, precision=precision))
        for number in threads
        for precision in precisions
    ]
    if len(choices) == 1:
        return choices[0]
    start_time, times = time.perf_counter(), []
    for choice in choices:
        if times and 0 < 60 * MAX_CHOICE_FRACTION * options.minutes < time.perf_counter() - start_time:
            break
        times.append(_step_seconds(choice, model, images, min(times, default=math.inf)))
    return choices[int(group.broadcast(times.index(min(times))))]


def epochs_from_minutes(
    recipe: Recipe,
    model: nn.Module,
    training: NoisyImages,
    validation: NoisyImages,
    group: ProcessGroup | None = None,
    elapsed: float = 0.0,
) -> Recipe:
    """Return the recipe with the `epochs` and `steps` that fit into its `minutes`; without minutes as it is.

    Where few whole epochs fit, they are shortened to fill the time, so that an epoch is never longer than the minutes.
    There is always one epoch, of one step at least.

    Training steps and validation are timed on a copy of the model, on the threads that torch is set to. The processes
    of a group take their steps together, and the main one decides for all.

    Args:
        recipe: with threads and precision chosen.
        model: the network before the first step.
        training: the images of a step's batch.
        validation: the images that are evaluated at the end of each epoch.
        group: the processes that share each batch.
        elapsed: how many seconds of the minutes are over already.
    """
    options, group = recipe.train, group or ProcessGroup()
    if not options.minutes:
        return recipe
    start_time = time.perf_counter()
    step = TrainingStep.from_recipe(recipe, copy.deepcopy(model).train(), group)
    step_seconds = _distributed_step_seconds(step, recipe, training, group)
    validation_start = time.perf_counter()
    num_images = min(BATCH_SIZE, len(validation))
    validation_loss(step.model, step, validation, options, num_images)
    seconds_per_image = (time.perf_counter() - validation_start) / num_images
    seconds_left = 60 * options.minutes - elapsed - (time.perf_counter() - start_time)
    steps_per_epoch = math.ceil(len(training) / options.batch_size)
    validation_seconds = len(validation) * seconds_per_image
    length = _epochs_and_steps(STEPS_FRACTION * seconds_left, steps_per_epoch, step_seconds, validation_seconds)
    epochs, steps = (int(group.broadcast(number)) for number in length)
    return dataclasses.replace(recipe, train=dataclasses.replace(options, epochs=epochs, steps=steps))


def _epochs_and_steps(
    seconds_left: float, steps_per_epoch: int, step_seconds: float, validation_seconds: float
) -> tuple[int, int]:
    """Return how many epochs fit into a time, and the steps of each; 0 steps stand for whole epochs.

    Args:
        seconds_left: the time; one that is too short for a step gives one step nevertheless.
        steps_per_epoch: the steps of a whole epoch.
        step_seconds: the time of a step.
        validation_seconds: the time of the validation at the end of each epoch.
    """
    fitting = seconds_left / (steps_per_epoch * step_seconds + validation_seconds)
    if fitting >= MIN_WHOLE_EPOCHS:
        return math.floor(fitting), 0
    max_epochs = max(1, math.floor(seconds_left / (step_seconds + validation_seconds)))
    epochs = min(max(MIN_EPOCHS, math.ceil(fitting)), max_epochs)
    if epochs * validation_seconds > VALIDATION_FRACTION * seconds_left:
        epochs = max(1, math.floor(max(fitting, VALIDATION_FRACTION * seconds_left / validation_seconds)))
    steps = max(1, math.floor((seconds_left / epochs - validation_seconds) / step_seconds))
    return epochs, 0 if steps >= steps_per_epoch else steps


def _distributed_step_seconds(step: TrainingStep, recipe: Recipe, images: NoisyImages, group: ProcessGroup) -> float:
    """Return the median time of a step that all processes of a group take together."""
    generator = make_generator(0, "probe", "epochs", device=step.device)
    times: list[float] = []
    count = EPOCH_WARMUP_STEPS + MIN_TIMED_STEPS
    while len(times) < count:
        index = _random_index(len(images), min(recipe.train.batch_size, len(images)), generator)
        start = time.perf_counter()
        step(images.batch(group.shard(index), generator))
        times.append(time.perf_counter() - start)
        if len(times) == EPOCH_WARMUP_STEPS + MIN_TIMED_STEPS and group.broadcast(sum(times)) < _timing_budget(recipe):
            count = EPOCH_WARMUP_STEPS + MAX_TIMED_STEPS
    return statistics.median(times[EPOCH_WARMUP_STEPS:])


def _timing_budget(recipe: Recipe) -> float:
    """Return how many seconds the timing of one choice may take."""
    minutes = recipe.train.minutes
    return min(MAX_TIMING_SECONDS, 60 * TIMING_FRACTION * minutes) if minutes else MAX_TIMING_SECONDS


def _step_seconds(recipe: Recipe, model: nn.Module, images: NoisyImages, best: float = math.inf) -> float:
    """Return the median time of a step, on a copy of the model.

    Two steps are enough if they are slow or much slower than `best`, as with more threads than idle cores.
    """
    with torch_threads(recipe.train.threads):
        step = TrainingStep.from_recipe(recipe, copy.deepcopy(model).train())
        generator = make_generator(0, "probe", device=step.device)
        times = []
        for _ in range(WARMUP_STEPS + TIMED_STEPS):
            index = _random_index(len(images), recipe.train.batch_size, generator)
            start = time.perf_counter()
            step(images.batch(index, generator))
            times.append(time.perf_counter() - start)
            is_slow = sum(times) > _timing_budget(recipe) or min(times) > GIVE_UP_FACTOR * best
            if len(times) >= WARMUP_STEPS and is_slow:
                break
        return statistics.median(times[WARMUP_STEPS:]) if len(times) > WARMUP_STEPS else min(times)


def _random_index(num_images: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(num_images, (count,), generator=generator, device=generator.device).cpu()
