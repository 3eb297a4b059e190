"""Noise models: from clean images to noisy ones and their noise level."""

from typing import Protocol

import torch
from torch import Tensor


class Noise(Protocol):
    """A noise model; implementations are frozen dataclasses of their options.

    Called with `clean`, (N, C, H, W) floats in [0, 1] units, and a generator on the same device, it returns the noisy
    batch, a new tensor of the same shape and dtype that is not clipped, and the noise levels sigma, (N,) in the same
    units. The same state of the generator gives the same noise; there is no other state.

    Sigma is the standard deviation of the noise; of noise that depends on the signal, it is the expected root mean
    square of `noisy - clean` over an image, given its clean values. It is one number for each image, since a map of
    signal-dependent noise would show the clean image to a network that is conditioned on it.
    """

    def __call__(self, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the noisy batch and its noise levels."""
        ...


def corrupt(noise: Noise, clean: Tensor, generator: torch.Generator, clip: bool) -> tuple[Tensor, Tensor]:
    """Apply a noise model and, if `clip`, limit the noisy values to [0, 1].

    Clipping changes the mean and the standard deviation of the noise, and with them the PSNR, so recipes name it. The
    noise level returned is that of the unclipped noise.
    """
    noisy, sigma = noise(clean, generator)
    return (noisy.clamp_(0, 1) if clip else noisy), sigma
