"""What the noise models share: checks of their options, ranges drawn once a sample, and levels measured."""

import math
from typing import Any

import torch
from torch import Tensor


def number_between(name: str, value: Any, low: float, high: float, remedy: str) -> float:
    """Return `value` as a float if it is a finite number in [low, high].

    Raises:
        ValueError: naming the option, its value and the remedy.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high:
        return float(value)
    raise ValueError(f"{name}={value!r} is not a number from {low:g} to {high:g}: {remedy}")


def range_between(name: str, value: Any, low: float, high: float, remedy: str) -> float | tuple[float, float]:
    """Return `value` as a float, or a pair (low, high) as two floats, each a finite number in [low, high].

    Raises:
        ValueError: naming the option, its value and the remedy.
    """
    if not isinstance(value, list | tuple):
        return number_between(name, value, low, high, remedy)
    if len(value) != 2:
        raise ValueError(f"{name}={value!r} is not a pair: give one number, or (low, high)")
    first, last = (number_between(name, part, low, high, remedy) for part in value)
    if first > last:
        raise ValueError(f"{name}={value!r} has its low above its high: swap them")
    return first, last


def drawn(value: float | tuple[float, float], like: Tensor, generator: torch.Generator, log: bool = False) -> Tensor:
    """Return one number a sample, (N,) in the dtype of `like` (N, ...): `value`, or drawn from its range.

    A range is drawn uniformly, or with `log` uniformly in the logarithm.
    """
    numbers = torch.empty(len(like), dtype=like.dtype, device=like.device)
    if not isinstance(value, tuple):
        return numbers.fill_(value)
    low, high = (math.log(bound) for bound in value) if log else value
    numbers.uniform_(low, high, generator=generator)
    return numbers.exp_() if log else numbers


def per_sample(numbers: Tensor) -> Tensor:
    """Return numbers (N,) as (N, 1, 1, 1), to go with images (N, C, H, W)."""
    return numbers.view(-1, 1, 1, 1)


def deviation(noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the root mean square (N,) of `noisy - clean` over each sample."""
    return (noisy - clean).flatten(1).square().mean(1).sqrt()
