"""Options of noise models: checks, values sampled for each image, and the parts of models made of others."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pellucid import registry

IN_UNIT_RANGE = "give it in [0, 1] units (25 of 255 is 0.098)"
Part = tuple[tuple[str, Any], ...]


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


def set_number(noise: Any, name: str, low: float, high: float, remedy: str) -> None:
    """Replace an option of a frozen noise model by what `number_between` makes of it."""
    object.__setattr__(noise, name, number_between(name, getattr(noise, name), low, high, remedy))


def set_range(noise: Any, name: str, low: float, high: float, remedy: str) -> None:
    """Replace an option of a frozen noise model by what `range_between` makes of it."""
    object.__setattr__(noise, name, range_between(name, getattr(noise, name), low, high, remedy))


def freeze(parts: Any) -> tuple[Part, ...]:
    """Return noise models, as tables or as what this function made of them, in a form to hash and to compare.

    Raises:
        ValueError: unless they are a list of tables.
    """
    if not isinstance(parts, list | tuple) or not parts:
        raise ValueError(f"parts={parts!r} is no list of noise models: give tables with a name each")
    return tuple(_freeze_part(part) for part in parts)


def build(part: Sequence[tuple[str, Any]]) -> tuple[str, Any]:
    """Return the name and the noise model of one frozen part.

    Raises:
        ValueError: if it has no name, or its options are refused.
    """
    options = dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ValueError(f"parts has the entry {dict(part)!r} without a name: give each a name")
    return name, registry.build("noise", name, options)


def _freeze_part(part: Any) -> Part:
    try:
        return _sorted_items(dict(part))
    except (TypeError, ValueError):
        raise ValueError(f"parts has the entry {part!r}: give a table with a name") from None


def _sorted_items(table: Mapping[str, Any]) -> Part:
    return tuple((name, _make_hashable(table[name])) for name in sorted(table))


def _make_hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _sorted_items(value)
    return tuple(map(_make_hashable, value)) if isinstance(value, list | tuple) else value


def sample_uniform(
    value: float | tuple[float, float], like: Tensor, generator: torch.Generator, log: bool = False
) -> Tensor:
    """Return one number for each image, (N,) in the dtype of `like` (N, ...): `value`, or a sample of its range.

    Samples are uniformly distributed, with `log` their logarithms are.
    """
    numbers = torch.empty(len(like), dtype=like.dtype, device=like.device)
    if not isinstance(value, tuple):
        return numbers.fill_(value)
    low, high = (math.log(bound) for bound in value) if log else value
    numbers.uniform_(low, high, generator=generator)
    return numbers.exp_() if log else numbers


def per_sample(numbers: Tensor) -> Tensor:
    """Return numbers (N,) as (N, 1, 1, 1), to broadcast with images (N, C, H, W)."""
    return numbers.view(-1, 1, 1, 1)


def widen(images: Tensor) -> Tensor:
    """Return images in float32, or wider if they are: the precision in which noise is computed."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


def with_measured_sigma(noisy: Tensor, clean: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return noisy images (N, C, H, W) and their RMS difference (N,) from the clean ones, both in `dtype`."""
    return noisy.to(dtype), rms_difference(noisy, clean).to(dtype)


def rms_difference(noisy: Tensor, clean: Tensor) -> Tensor:
    """Return the root mean square (N,) of `noisy - clean` over each image."""
    return (noisy - clean).flatten(1).square().mean(1).sqrt()
