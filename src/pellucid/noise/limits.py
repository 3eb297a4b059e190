"""The checks that the noise models make of their options."""

import math
from typing import Any


def number_between(name: str, value: Any, low: float, high: float, remedy: str) -> float:
    """Return `value` as a float if it is a finite number in [low, high].

    Raises:
        ValueError: naming the option, its value and the remedy.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high:
        return float(value)
    raise ValueError(f"{name}={value!r} is not a number from {low:g} to {high:g}: {remedy}")
