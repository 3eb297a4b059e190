"""Synthetic noise for images as the user has them, and noise models from text such as `gaussian(sigma=25)`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.image import data_range_of, from_nchw, to_nchw
from pellucid.noise import corrupt
from pellucid.utils.seeding import make_generator

MIN_OF_KEYS_255 = {"sigma": 0, "low": -1020, "high": -1020}
MAX_255 = 1020


def parse_noise_255(text: str) -> Any:
    """Build a noise model from a text like `gaussian(sigma=25)`, in which sigma, low and high are of 255.

    All other options have their own units, such as the photons of Poisson's peak. The sigma of speckle is that at
    white. Models joined by `+` follow each other: `gaussian(sigma=10) + jpeg(quality=40)`.

    Raises:
        UsageError: for an unknown name, option or value.
    """
    return _build(parse_noise_text((text,)))


def parse_noise_text(texts: Sequence[str]) -> dict[str, Any]:
    """Return the table of a noise model for a recipe, in [0, 1] units.

    Args:
        texts: one or more, as for `parse_noise_255`; with several, each image gets the noise of one.

    Raises:
        UsageError: for an unknown name, option or value.
    """
    chains = [[_table(part) for part in _split(text)] for text in texts]
    tables = [parts[0] if len(parts) == 1 else {"name": "chain", "parts": parts} for parts in chains]
    table = tables[0] if len(tables) == 1 else {"name": "mix", "parts": tables}
    _build(table)
    return table


def add_noise(
    pixels: np.ndarray,
    noise: Any,
    *,
    channel_axis: int | None = -1,
    seed: int = 0,
    name: str = "",
    clip: bool = True,
    data_range: float | None = None,
) -> np.ndarray:
    """Return an image with noise added, of the same shape and dtype.

    Args:
        pixels: (H, W) or (H, W, C), or a stack (N, H, W) or (N, H, W, C), of any integer or floating dtype.
        noise: a noise model.
        channel_axis: the axis of the channels; None for gray.
        seed: the noise depends on the seed and the name alone.
        name: of the image, so that images with the same seed get different noise.
        clip: whether floats are clipped to the data range; integers are always clipped to that of their type.
        data_range: the value of white; None as in `pellucid.image.data_range_of`.
    """
    data_range = data_range or data_range_of(pixels)
    clean = torch.from_numpy(to_nchw(pixels, data_range, channel_axis))
    noisy, _ = corrupt(noise, clean, make_generator(seed, "add noise", name), clip)
    return from_nchw(noisy.numpy(), pixels, data_range, channel_axis)


def _build(table: dict[str, Any]) -> Any:
    return registry.build("noise", table["name"], {key: value for key, value in table.items() if key != "name"})


def _table(text: str) -> dict[str, Any]:
    name, options = registry.parse(text)
    return {"name": name} | {
        key: _from_255(text, key, value) if key in MIN_OF_KEYS_255 else value for key, value in options.items()
    }


def _split(text: str) -> list[str]:
    """Return the parts of a text between the `+` that are outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "+" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _from_255(text: str, key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_from_255(text, key, part) for part in value)
    minimum = MIN_OF_KEYS_255[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= MAX_255:
        raise UsageError(f"{text}: {key} is {value!r}, give a number from {minimum} to {MAX_255}; white is 255")
    return value / 255
