"""Noise on image files and arrays, for making test material; what the user gave comes back as it was, noisy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.image import data_range_of, from_nchw, to_nchw
from pellucid.noise import corrupt
from pellucid.utils.seeding import make_generator

AMPLITUDES = {"sigma": 0, "low": -1020, "high": -1020}
LARGEST = 1020


def noise_in_255(text: str) -> Any:
    """Build a noise model from `gaussian(sigma=25)`: sigma, low and high are given for white at 255.

    All other options are taken as they are: a fraction is a fraction, Poisson's peak a number of photons. The sigma
    of speckle is that at white. Several joined by `+` follow each other: `gaussian(sigma=10) + jpeg(quality=40)`.

    Raises:
        UsageError: for an unknown name, option or value.
    """
    return _built(noise_table((text,)))


def noise_table(texts: Sequence[str]) -> dict[str, Any]:
    """Return the recipe's table of a noise model, in [0, 1] units.

    Args:
        texts: as `noise_in_255` takes them. Of several, each image gets the noise of one.

    Raises:
        UsageError: for an unknown name, option or value.
    """
    chains = [[_table(part) for part in _split(text)] for text in texts]
    tables = [parts[0] if len(parts) == 1 else {"name": "chain", "parts": parts} for parts in chains]
    table = tables[0] if len(tables) == 1 else {"name": "mix", "parts": tables}
    _built(table)
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
        channel_axis: where the channels are; None for gray.
        seed: the noise depends on the seed and the name alone.
        name: tells apart the images that share a seed.
        clip: whether floats are cut to the data range; integers always end at the bounds of their type.
        data_range: the value of white; None as in `pellucid.image.data_range_of`.
    """
    white = data_range or data_range_of(pixels)
    clean = torch.from_numpy(to_nchw(pixels, white, channel_axis))
    noisy, _ = corrupt(noise, clean, make_generator(seed, "add noise", name), clip)
    return from_nchw(noisy.numpy(), pixels, white, channel_axis)


def _built(table: dict[str, Any]) -> Any:
    return registry.build("noise", table["name"], {key: value for key, value in table.items() if key != "name"})


def _table(text: str) -> dict[str, Any]:
    name, options = registry.parse(text)
    return {"name": name} | {
        key: _scaled(text, key, value) if key in AMPLITUDES else value for key, value in options.items()
    }


def _split(text: str) -> list[str]:
    """Return the parts of a text between those of its `+` that stand outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "+" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _scaled(text: str, key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_scaled(text, key, part) for part in value)
    least = AMPLITUDES[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
        raise UsageError(f"{text}: {key} is {value!r}, give a number from {least} to {LARGEST}, white being 255")
    return value / 255
