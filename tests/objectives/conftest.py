"""Scenes, their noise, a small network and its short training, for the tests of self-supervised objectives."""

import copy
import functools

import pytest
import torch
from torch.nn import functional

from pellucid.losses.mse import MSE
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.supervised import Supervised

SIGMA = 0.15
STEPS = 150
LR = 4e-3


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def scenes(count, seed, side=48):
    """Slopes and edges in [0, 1], (N, 1, side, side), smooth at the scale of a few pixels."""
    coarse = torch.rand(count, 1, side // 12, side // 12, generator=seeded(seed))
    smooth = functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (smooth + (smooth > 0.5)) / 2


def noisy_of(clean, seed, streak=1):
    """Add noise with the std SIGMA, equal for `streak` adjacent pixels of a row."""
    count, channels, height, width = clean.shape
    white_noise = torch.randn(count, channels, height, width + streak - 1, generator=seeded(seed))
    return clean + SIGMA * white_noise.unfold(-1, streak, 1).sum(-1) / streak**0.5


def psnr(images, clean):
    return float(-10 * torch.log10((images - clean).square().mean()))


@functools.cache
def trained_psnr(objective, captures=1, streak=1, **options):
    """Return the PSNR on test scenes of a network that is trained with an objective on 1 or 2 captures of others."""
    torch.manual_seed(0)
    clean = scenes(64, 1)
    noisy = noisy_of(clean, 2, streak)
    targets = clean if isinstance(objective, Supervised) else noisy_of(clean, 3) if captures == 2 else noisy
    model = UNet(widths=[12, 24], blocks=1, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    average, generator, sigma = copy.deepcopy(model), seeded(4), torch.full((8,), SIGMA)
    for step in range(STEPS):
        index = torch.randint(len(clean), (8,), generator=generator)
        value = objective(model, MSE(), TrainingBatch(targets[index], noisy[index], sigma, generator=generator))
        optimizer.zero_grad()
        value.backward()
        optimizer.param_groups[0]["lr"] = LR * (1 - step / STEPS)
        optimizer.step()
        with torch.no_grad():
            for mean, new in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(new, 0.1)
    test = scenes(16, 5)
    with torch.no_grad():
        return psnr(average(noisy_of(test, 6, streak), torch.full((16,), SIGMA)), test)


@pytest.fixture
def gains():
    """Return what a training with an objective gains over the noisy scenes, in dB, and what supervision gains."""

    def gains(objective, captures=1, **options):
        test = scenes(16, 5)
        noisy = psnr(noisy_of(test, 6), test)
        return trained_psnr(objective, captures, **options) - noisy, trained_psnr(Supervised(), **options) - noisy

    return gains
