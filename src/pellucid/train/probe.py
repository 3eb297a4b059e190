"""Choose threads, precision and the epochs that minutes come to, by timing a few training steps of the recipe itself.

Two threads can be ten times slower than one on a busy machine, and bfloat16 only pays where the processor has it.
"""

import copy
import dataclasses
import math
import statistics
import time

import torch
from torch import nn

from pellucid.batches import NoisyImages, generator
from pellucid.machine import cores
from pellucid.recipe import Recipe
from pellucid.train.group import Group
from pellucid.train.step import Step
from pellucid.train.validation import AT_ONCE, validation_loss

STEPS = 5
WARM, LEAST_TIMED, MOST_TIMED = 3, 5, 20
SECONDS = 5.0  # of timing, from which on the least number of steps is enough
FOR_STEPS = 0.97  # of the time; the rest is for writing checkpoints


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
    times = [_seconds(choice, model, images) for choice in choices]
    return choices[int(group.leader_says(times.index(min(times))))]


def with_epochs(
    recipe: Recipe,
    model: nn.Module,
    training: NoisyImages,
    validation: NoisyImages,
    group: Group | None = None,
    spent: float = 0.0,
) -> Recipe:
    """Return the recipe with `epochs` set to what its `minutes` come to, 1 at least; without minutes as it is.

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
    epoch = math.ceil(len(training) / options.batch_size) * seconds + len(validation) * per_image
    left = 60 * options.minutes - spent - (time.perf_counter() - begun)
    epochs = int(group.leader_says(max(1, math.floor(FOR_STEPS * left / epoch))))
    return dataclasses.replace(recipe, train=dataclasses.replace(options, epochs=epochs))


def _step_seconds(step: Step, recipe: Recipe, images: NoisyImages, group: Group) -> float:
    """Return the median time of a step that all processes of a group take together."""
    drawn = generator(0, "probe", "epochs")
    times: list[float] = []
    count = WARM + LEAST_TIMED
    while len(times) < count:
        index = torch.randint(len(images), (min(recipe.train.batch_size, len(images)),), generator=drawn)
        start = time.perf_counter()
        step(images.batch(group.share(index), drawn))
        times.append(time.perf_counter() - start)
        if len(times) == WARM + LEAST_TIMED and group.leader_says(sum(times)) < SECONDS:
            count = WARM + MOST_TIMED
    return statistics.median(times[WARM:])


def _seconds(recipe: Recipe, model: nn.Module, images: NoisyImages) -> float:
    """Return the median time of a step, on a copy of the model."""
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.train.threads)
    try:
        step = Step.of(recipe, copy.deepcopy(model).train())
        drawn = generator(0, "probe")
        times = []
        for _ in range(STEPS + 2):
            index = torch.randint(len(images), (recipe.train.batch_size,), generator=drawn)
            start = time.perf_counter()
            step(images.batch(index, drawn))
            times.append(time.perf_counter() - start)
        return sorted(times[2:])[STEPS // 2]
    finally:
        torch.set_num_threads(before)
