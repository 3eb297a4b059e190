"""Batches depend on the seed and their purpose alone."""

import pytest
import torch

from pellucid.batches import generator, training_sets
from pellucid.batches import test_set as load_test_set
from pellucid.errors import UsageError
from pellucid.recipe import Recipe

RECIPE = Recipe.from_dict(
    {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits", "train_images": 200, "test_images": 50, "validation": 0.25},
        "noise": {"name": "gaussian", "sigma": 0.5},
        "model": {"name": "conv"},
        "loss": {"name": "bce"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }
)


def test_a_generator_depends_on_seed_and_purpose():
    def draw(*purpose):
        return torch.rand(4, generator=generator(*purpose)).tolist()

    assert draw(0, "noise", 1) == draw(0, "noise", 1)
    assert (
        len({tuple(draw(*purpose)) for purpose in ((0, "noise", 1), (0, "noise", 2), (1, "noise", 1), (0, "order", 1))})
        == 4
    )


def test_the_split_is_disjoint_and_complete():
    training, validation = training_sets(RECIPE)
    assert (len(training), len(validation)) == (150, 50)
    images = {bytes(image.numpy()) for image in training.clean} & {bytes(image.numpy()) for image in validation.clean}
    assert not images


def test_fresh_noise_differs_from_step_to_step_and_fixed_noise_does_not():
    index = torch.arange(8)
    fresh, validation = training_sets(RECIPE)
    first, second = (fresh.batch(index, generator(0, "noise", step)) for step in (1, 2))
    assert not torch.equal(first.noisy, second.noisy)
    assert torch.equal(first.clean, second.clean)
    for images in (validation, training_sets(RECIPE.with_values({"noise.fresh": False}))[0]):
        first, second = (images.batch(index, generator(0, "noise", step)) for step in (1, 2))
        assert torch.equal(first.noisy, second.noisy)


def test_a_recipe_without_noise_shows_the_clean_images():
    tables = RECIPE.to_dict()
    del tables["noise"]
    batch = training_sets(Recipe.from_dict(tables))[0].batch(torch.arange(3), generator(0))
    assert batch.noisy is batch.clean
    assert batch.sigma is None


def test_the_test_noise_depends_on_the_seed():
    first, same, other = (load_test_set(RECIPE, seed).fixed for seed in (0, 0, 1))
    assert first is not None and same is not None and other is not None
    assert torch.equal(first[0], same[0])
    assert not torch.equal(first[0], other[0])


def test_clipping_is_a_key():
    clipped = load_test_set(RECIPE, 0).fixed
    open_ended = load_test_set(RECIPE.with_values({"noise.clip": False}), 0).fixed
    assert clipped is not None and open_ended is not None
    assert clipped[0].min() == 0 and clipped[0].max() == 1
    assert open_ended[0].min() < 0 and open_ended[0].max() > 1
    assert torch.equal(open_ended[0].clamp(0, 1), clipped[0])


def test_too_few_images_are_refused():
    with pytest.raises(UsageError, match="1 images are too few"):
        training_sets(RECIPE.with_values({"data.train_images": 1}))


def test_fixed_noise_in_bf16_is_the_same_noise_rounded():
    training, _ = training_sets(RECIPE.with_values({"noise.fresh": False}))
    index, drawn = torch.arange(8), generator(0)
    exact, rounded = training.batch(index, drawn), training.in_bf16().batch(index, drawn)
    assert torch.equal(rounded.noisy, exact.noisy.bfloat16())
    assert torch.equal(rounded.clean, exact.clean)
    fresh, _ = training_sets(RECIPE)
    assert fresh.in_bf16() is fresh
