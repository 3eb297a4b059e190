"""Choose threads, precision and the epochs that minutes come to by timing a few training steps of the recipe itself.

Two threads can be ten times slower than one on a busy machine, and bfloat16 only pays where the processor has it.
"""

import copy
import dataclasses
import math
import statistics
import time

import torch
from torch import nn

from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.train.distributed import Group
from pellucid.train.step import Step
from pellucid.train.validation import AT_ONCE, validation_loss
from pellucid.utils.seeding import make_generator
from pellucid.utils.system import cores

SETTLING, STEPS = 2, 5
WARM, LEAST_TIMED, MOST_TIMED = 3, 5, 20
SECONDS, SHARE = 5.0, 0.02  # of timing, and of the minutes, from which on the least number of steps is enough
FOR_CHOICES = 0.1  # of the minutes, after which what else could be chosen is no longer timed
HOPELESS = 3  # times the time of another choice
FOR_STEPS = 0.97  # of the time; the rest is for writing checkpoints
WHOLE_EPOCHS = 10  # from which on whole epochs waste little time
LEAST_EPOCHS = 4
FOR_VALIDATION = 0.2  # of the time, where epochs are made short


def settle(recipe: Recipe, model: nn.Module, images: NoisyImages, group: Group | None = None) -> Recipe:
    """Return the recipe with `threads` and `precision` settled: those it names are kept, the others are timed.

    Of several processes in a group each takes its part of the cores, and the leading one chooses for all.
    """
    wanted, group = recipe.train, group or Group()
    count = max(1, cores() // group.size)
    threads = (wanted.threads,) if wanted.threads else tuple(dict.fromkeys((1, max(1, count // 2), count)))
    precisions = ("fp32", "bf16") if wanted.precision == "auto" else (wanted.precision,)
    choices = [
        dataclasses.replace(recipe, train=dataclasses.replace(wanted, threads=number, precision=precision))
        for number in threads
        for precision in precisions
    ]
    if len(choices) == 1:
        return choices[0]
    started, times = time.perf_counter(), []
    for choice in choices:
        if times and 0 < 60 * FOR_CHOICES * wanted.minutes < time.perf_counter() - started:
            break
        times.append(_seconds(choice, model, images, min(times, default=math.inf)))
    return choices[int(group.leader_says(times.index(min(times))))]


def with_length(
    recipe: Recipe,
    model: nn.Module,
    training: NoisyImages,
    validation: NoisyImages,
    group: Group | None = None,
    spent: float = 0.0,
) -> Recipe:
    """Return the recipe with `epochs` and `steps` set to what its `minutes` come to; without minutes as it is.

    Where few whole epochs fit, they are made short enough to fill the time: an epoch that is longer than the minutes
    would take more of them than there are. There is always one, of one step at least.

    Training steps and validation are timed on a copy of the model, on the threads that torch is set to. Several
    processes take their steps together, and the leading one decides for all.

    Args:
        recipe: threads and precision are settled.
        model: the network before the first step.
        training: a step takes a batch of them.
        validation: an epoch ends with all of them.
        group: the processes that share each batch.
        spent: the seconds of those minutes that are gone already.
    """
    options, group = recipe.train, group or Group()
    if not options.minutes:
        return recipe
    begun = time.perf_counter()
    step = Step.of(recipe, copy.deepcopy(model).train(), group)
    seconds = _step_seconds(step, recipe, training, group)
    start = time.perf_counter()
    shown = min(AT_ONCE, len(validation))
    validation_loss(step.model, step, validation, options, shown)
    per_image = (time.perf_counter() - start) / shown
    left = 60 * options.minutes - spent - (time.perf_counter() - begun)
    whole = math.ceil(len(training) / options.batch_size)
    length = _length(FOR_STEPS * left, whole, seconds, len(validation) * per_image)
    epochs, steps = (int(group.leader_says(number)) for number in length)
    return dataclasses.replace(recipe, train=dataclasses.replace(options, epochs=epochs, steps=steps))


def _length(time_left: float, whole: int, seconds: float, validating: float) -> tuple[int, int]:
    """Return how many epochs fit into a time, and the steps of each; 0 for whole ones.

    Args:
        time_left: in seconds; too little for a step comes to one nevertheless.
        whole: the steps of a whole epoch.
        seconds: of a step.
        validating: the seconds at the end of each epoch.
    """
    fitting = time_left / (whole * seconds + validating)
    if fitting >= WHOLE_EPOCHS:
        return math.floor(fitting), 0
    epochs = min(max(LEAST_EPOCHS, math.ceil(fitting)), max(1, math.floor(time_left / (seconds + validating))))
    if epochs * validating > FOR_VALIDATION * time_left:
        epochs = max(1, math.floor(max(fitting, FOR_VALIDATION * time_left / validating)))
    steps = max(1, math.floor((time_left / epochs - validating) / seconds))
    return epochs, 0 if steps >= whole else steps


def _step_seconds(step: Step, recipe: Recipe, images: NoisyImages, group: Group) -> float:
    """Return the median time of a step that all processes of a group take together."""
    drawn = make_generator(0, "probe", "epochs")
    times: list[float] = []
    count = WARM + LEAST_TIMED
    while len(times) < count:
        index = torch.randint(len(images), (min(recipe.train.batch_size, len(images)),), generator=drawn)
        start = time.perf_counter()
        step(images.batch(group.share(index), drawn))
        times.append(time.perf_counter() - start)
        if len(times) == WARM + LEAST_TIMED and group.leader_says(sum(times)) < _long_enough(recipe):
            count = WARM + MOST_TIMED
    return statistics.median(times[WARM:])


def _long_enough(recipe: Recipe) -> float:
    """Return the seconds that may be spent on timing one choice."""
    minutes = recipe.train.minutes
    return min(SECONDS, 60 * SHARE * minutes) if minutes else SECONDS


def _seconds(recipe: Recipe, model: nn.Module, images: NoisyImages, best: float = math.inf) -> float:
    """Return the median time of a step, on a copy of the model.

    Two are enough where they take long, or much longer than `best`: seconds each, where there are more threads than
    idle cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.train.threads)
    try:
        step = Step.of(recipe, copy.deepcopy(model).train())
        drawn = make_generator(0, "probe")
        times = []
        for _ in range(SETTLING + STEPS):
            index = torch.randint(len(images), (recipe.train.batch_size,), generator=drawn)
            start = time.perf_counter()
            step(images.batch(index, drawn))
            times.append(time.perf_counter() - start)
            if len(times) >= SETTLING and (sum(times) > _long_enough(recipe) or min(times) > HOPELESS * best):
                break
        return statistics.median(times[SETTLING:]) if len(times) > SETTLING else min(times)
    finally:
        torch.set_num_threads(before)
