"""Choose the number of threads and the precision by timing a few training steps of the recipe itself.

Two threads can be ten times slower than one on a busy machine, and bfloat16 only pays where the processor has it.
"""

import copy
import dataclasses
import time

import torch
from torch import nn

from pellucid.batches import NoisyImages, generator
from pellucid.machine import cores
from pellucid.recipe import Recipe
from pellucid.train.group import Group
from pellucid.train.step import Step

STEPS = 5


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
