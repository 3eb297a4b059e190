"""Noise on image files and arrays, for making test material; what the user gave comes back as it was, noisy."""

from typing import Any

import numpy as np
import torch

from pellucid import registry
from pellucid.batches import generator
from pellucid.errors import UsageError
from pellucid.image import data_range_of, from_nchw, to_nchw
from pellucid.noise import corrupt

AMPLITUDES = {"sigma": 0, "low": -1020, "high": -1020}
LARGEST = 1020


def noise_in_255(text: str) -> Any:
    """Build a noise model from `gaussian(sigma=25)`: sigma, low and high are given for white at 255.

    All other options are taken as they are: a fraction is a fraction, Poisson's peak a number of photons. The sigma
    of speckle is that at white.

    Raises:
        UsageError: for an unknown name, option or value.
    """
    name, options = registry.parse(text)
    scaled = {key: _scaled(text, key, value) if key in AMPLITUDES else value for key, value in options.items()}
    return registry.build("noise", name, scaled)


def add_noise(
    pixels: np.ndarray,
    noise: Any,
    *,
    channel_axis: int | None = -1,
    seed: int = 0,
    name: str = "",
    clip: bool = True,
) -> np.ndarray:
    """Return an image with noise added, of the same shape and dtype.

    Args:
        pixels: (H, W) or (H, W, C), or a stack (N, H, W) or (N, H, W, C), of any integer or floating dtype.
        noise: a noise model.
        channel_axis: where the channels are; None for gray.
        seed: the noise depends on the seed and the name alone.
        name: tells apart the images that share a seed.
        clip: whether floats are cut to the data range; integers always end at the bounds of their type.
    """
    white = data_range_of(pixels)
    clean = torch.from_numpy(to_nchw(pixels, white, channel_axis))
    noisy, _ = corrupt(noise, clean, generator(seed, "add noise", name), clip)
    return from_nchw(noisy.numpy(), pixels, white, channel_axis)


def _scaled(text: str, key: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_scaled(text, key, part) for part in value)
    least = AMPLITUDES[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
        raise UsageError(f"{text}: {key} is {value!r}, give a number from {least} to {LARGEST}, white being 255")
    return value / 255
