"""Checks that a recipe and its images fit together, before the first step."""

import math
from typing import Any

import torch
from torch import Tensor

from pellucid.errors import UsageError
from pellucid.models.base import is_conditional
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages, SyntheticNoise
from pellucid.utils.seeding import make_generator

NUM_CHECKED = 32  # images whose noise is checked
NUM_STDS = 3  # of the correlation of unrelated images, above which it is no chance


def check_images(recipe: Recipe, model: Any, images: NoisyImages) -> None:
    """Check the training images, and the noise of some of them.

    Raises:
        UsageError: if they do not fit the model, lack labels or sigmas that it needs, are fewer than a batch although
            all are used, are constant, or have nothing in common with their noisy images.
    """
    _check_sizes(recipe, model, images)
    _check_number(recipe, images)
    needs_sigma = is_conditional(model) and model.task == "denoise"
    if needs_sigma and not images.has_sigmas:
        raise UsageError(
            f'recipe "{recipe.name}": model.condition = true needs noise levels, which data "{recipe.data.name}" does '
            "not know: set model.condition = false"
        )
    if all(bool((image == image.flatten()[0]).all()) for image in images.clean):
        raise UsageError(
            f'each image of data "{recipe.data.name}" is one single value, so there is nothing to learn: give others'
        )
    if model.task == "denoise":
        _check_noise(recipe, images)


def _check_sizes(recipe: Recipe, model: Any, images: NoisyImages) -> None:
    _, channels, height, width = images.clean.shape
    model.input_spec.check((channels, height, width), f'an image of data "{recipe.data.name}"')
    if crop := recipe.data.crop:
        cropped = (channels, min(crop, height), min(crop, width))
        model.input_spec.check(cropped, f"an image of data.crop = {crop}")
    if recipe.build("objective").needs_labels and images.labels is None:
        raise UsageError(f'data "{recipe.data.name}" has no labels: a classifier needs them')


def _check_number(recipe: Recipe, images: NoisyImages) -> None:
    """Raise UsageError for fewer images than a batch, unless the recipe itself limits their number."""
    count, batch = len(images), recipe.train.batch_size
    if count < batch and not recipe.data.train_images:
        raise UsageError(
            f'recipe "{recipe.name}": {count} images are left to train on, fewer than a batch of {batch}: add images, '
            f"or set train.batch_size = {count} or less"
        )


def _check_noise(recipe: Recipe, images: NoisyImages) -> None:
    """Raise UsageError if noisy and clean images correlate no more than unrelated ones do."""
    index = torch.linspace(0, len(images) - 1, min(NUM_CHECKED, len(images))).round().long()
    batch = images.batch(index, make_generator(recipe.train.seed, "check"))
    if batch.noisy is batch.clean:
        return
    correlation = abs(_correlation(batch.clean.flatten(1), batch.noisy.flatten(1)))
    if correlation >= NUM_STDS / math.sqrt(batch.clean.numel()):
        return
    if not isinstance(images, SyntheticNoise):
        raise UsageError(
            f'recipe "{recipe.name}": the noisy images of data "{recipe.data.name}" have nothing in common with those '
            "they are paired with: pair them again, or give images with less noise"
        )
    raise UsageError(f'recipe "{recipe.name}": the noise of [noise] hides the images completely: make it weaker')


def _correlation(images: Tensor, others: Tensor) -> float:
    """Return the correlation of images (N, values) with others, each minus its mean; 1 for images that are constant."""
    first, second = (part - part.mean(dim=1, keepdim=True) for part in (images.double(), others.double()))
    powers = first.square().sum().item(), second.square().sum().item()
    if not all(powers):
        return float(not powers[0])
    return (first * second).sum().item() / math.sqrt(powers[0] * powers[1])
