"""Noise models: clean images in, noisy ones and the level of their noise out."""

from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """A frozen noise model.

    Called with `clean`, (N, C, H, W) floats in [0, 1] units, and a generator on the same device. Returns the noisy
    batch (a new tensor of the same shape and dtype, not clipped) and its level, an (N,) tensor in the same units.
    The same generator state gives the same noise, and the generator is the only state there is.

    The level is the noise's standard deviation; for noise that depends on the signal, the expected root mean square
    of `noisy - clean` over a sample, given its clean values. It is one number a sample, since a map of
    signal-dependent noise would hand the clean image to a network that is conditioned on it.
    """

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch and its level."""
        ...


def corrupt(noise: Noise, clean: Tensor, generator: torch.Generator, clip: bool) -> tuple[Tensor, Tensor]:
    """Apply a noise model and, if `clip`, limit the noisy values to [0, 1].

    Clipping changes the noise (its mean and its deviation, hence PSNR), so recipes state it. The level returned is
    that of the unclipped noise.
    """
    noisy, level = noise(clean, generator)
    return (noisy.clamp_(0, 1) if clip else noisy), level
