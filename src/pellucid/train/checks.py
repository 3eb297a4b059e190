"""What is wrong between a recipe and its images, found before the first step, with the remedy."""

import math
from typing import Any

import torch
from torch import Tensor

from pellucid.errors import UsageError
from pellucid.models.base import is_conditional
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyImages
from pellucid.utils.seeding import make_generator

SHOWN = 32  # images that are looked at for what the noise leaves
DEVIATIONS = 3


def check_images(recipe: Recipe, model: Any, images: NoisyImages) -> None:
    """Look at the training images, and at what their noise leaves of some of them.

    Raises:
        UsageError: if they do not fit the model, lack labels or levels that it needs, are fewer than a batch although
            all are used, are constant, or have nothing in common with their noisy takes.
    """
    _check_sizes(recipe, model, images)
    _check_number(recipe, images)
    needs_level = is_conditional(model) and model.task == "denoise"
    if needs_level and not images.knows_levels:
        raise UsageError(
            f'recipe "{recipe.name}": model.condition = true wants noise levels, which data "{recipe.data.name}" does '
            "not know: set model.condition = false"
        )
    if all(bool((image == image.flatten()[0]).all()) for image in images.clean):
        raise UsageError(
            f'each image of data "{recipe.data.name}" is one single value, which teaches nothing: give others'
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
    """Raise UsageError for fewer images than a batch, unless the recipe itself asks for few."""
    count, batch = len(images), recipe.train.batch_size
    if count < batch and not recipe.data.train_images:
        raise UsageError(
            f'recipe "{recipe.name}": {count} images are left to train on, fewer than a batch of {batch}: add images, '
            f"or set train.batch_size = {count} or less"
        )


def _check_noise(recipe: Recipe, images: NoisyImages) -> None:
    """Raise UsageError if noisy images have no more in common with their clean ones than chance gives."""
    index = torch.linspace(0, len(images) - 1, min(SHOWN, len(images))).round().long()
    batch = images.batch(index, make_generator(recipe.train.seed, "check"))
    if batch.noisy is batch.clean:
        return
    alike = abs(_correlation(batch.clean.flatten(1), batch.noisy.flatten(1)))
    if alike >= DEVIATIONS / math.sqrt(batch.clean.numel()):
        return
    if images.given is not None:
        raise UsageError(
            f'recipe "{recipe.name}": the noisy images of data "{recipe.data.name}" have nothing in common with those '
            "they belong to: pair them anew, or give images with less noise"
        )
    raise UsageError(f'recipe "{recipe.name}": the noise of [noise] is so strong that nothing is left: make it weaker')


def _correlation(images: Tensor, others: Tensor) -> float:
    """Return the correlation of images (N, values) with others, each less its mean; 1 for images that are constant."""
    first, second = (part - part.mean(dim=1, keepdim=True) for part in (images.double(), others.double()))
    powers = first.square().sum().item(), second.square().sum().item()
    if not all(powers):
        return float(not powers[0])
    return (first * second).sum().item() / math.sqrt(powers[0] * powers[1])
