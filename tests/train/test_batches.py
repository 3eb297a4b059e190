"""Batches depend on the seed and the key of their generator alone."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pellucid.data import ImageSet
from pellucid.errors import UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import NoisyOnly, SyntheticNoise, training_sets
from pellucid.train.batches import test_set as load_test_set
from pellucid.utils.seeding import make_generator

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


def test_a_generator_depends_on_seed_and_key():
    def draw(*key):
        return torch.rand(4, generator=make_generator(*key)).tolist()

    assert draw(0, "noise", 1) == draw(0, "noise", 1)
    assert len({tuple(draw(*key)) for key in ((0, "noise", 1), (0, "noise", 2), (1, "noise", 1), (0, "order", 1))}) == 4


def test_the_split_is_disjoint_and_complete():
    training, validation = training_sets(RECIPE)
    assert (len(training), len(validation)) == (150, 50)
    images = {bytes(image.numpy()) for image in training.clean} & {bytes(image.numpy()) for image in validation.clean}
    assert not images


def test_fresh_noise_differs_from_step_to_step_and_fixed_noise_does_not():
    index = torch.arange(8)
    fresh, validation = training_sets(RECIPE)
    first, second = (fresh.batch(index, make_generator(0, "noise", step)) for step in (1, 2))
    assert not torch.equal(first.noisy, second.noisy)
    assert torch.equal(first.clean, second.clean)
    for images in (validation, training_sets(RECIPE.with_values({"noise.fresh": False}))[0]):
        first, second = (images.batch(index, make_generator(0, "noise", step)) for step in (1, 2))
        assert torch.equal(first.noisy, second.noisy)


def test_a_recipe_without_noise_shows_the_clean_images():
    tables = RECIPE.to_dict()
    del tables["noise"]
    batch = training_sets(Recipe.from_dict(tables))[0].batch(torch.arange(3), make_generator(0))
    assert batch.noisy is batch.clean
    assert batch.sigma is None


def fixed_noisy(images):
    assert isinstance(images, SyntheticNoise) and images.fixed_noisy is not None
    return images.fixed_noisy


def test_the_test_noise_depends_on_the_seed():
    first, same, other = (fixed_noisy(load_test_set(RECIPE, seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_clipping_is_a_key():
    clipped = fixed_noisy(load_test_set(RECIPE, 0))
    open_ended = fixed_noisy(load_test_set(RECIPE.with_values({"noise.clip": False}), 0))
    assert clipped.min() == 0 and clipped.max() == 1
    assert open_ended.min() < 0 and open_ended.max() > 1
    assert torch.equal(open_ended.clamp(0, 1), clipped)


def test_too_few_images_are_refused():
    with pytest.raises(UsageError, match="1 images are too few"):
        training_sets(RECIPE.with_values({"data.train_images": 1}))


def test_fixed_noise_in_bf16_is_the_same_noise_rounded():
    training, _ = training_sets(RECIPE.with_values({"noise.fresh": False}))
    index, generator = torch.arange(8), make_generator(0)
    exact, rounded = training.batch(index, generator), training.in_bf16().batch(index, generator)
    assert torch.equal(rounded.noisy, exact.noisy.bfloat16())
    assert torch.equal(rounded.clean, exact.clean)
    fresh, _ = training_sets(RECIPE)
    assert fresh.in_bf16() is fresh


class ColorImages:
    """A dataset of random colors, 12x12."""

    def load(self, split):
        rng = np.random.default_rng(0)
        return ImageSet(rng.integers(60, 200, (120, 3, 12, 12), np.uint8))


@pytest.fixture
def colors(monkeypatch):
    """A recipe whose training images are augmented, on color images."""
    monkeypatch.setattr("pellucid.data.digits.Digits", ColorImages)
    changes = {"model.channels": 3, "noise.clip": False, "noise.sigma": 0.1, "data.train_images": 0}
    return RECIPE.with_values(changes | {"data.crop": 8, "data.augment": True, "data.gray": 0.25})


def is_gray(images):
    return (images == images[:, :1]).flatten(1).all(1)


def test_training_images_are_augmented_at_every_step_and_validation_images_are_not(colors):
    training, validation = training_sets(colors)
    index = torch.arange(8)
    first, second = (training.batch(index, make_generator(0, "noise", step)) for step in (1, 2))
    again = training.batch(index, make_generator(0, "noise", 1))
    assert first.clean.shape == first.noisy.shape == (8, 3, 8, 8)
    assert torch.equal(first.clean, again.clean) and torch.equal(first.noisy, again.noisy)
    assert not torch.equal(first.clean, second.clean)
    whole = validation.batch(index, make_generator(0))
    assert torch.equal(whole.clean, validation.clean[:8].float() / 255)


def test_a_fraction_of_a_batch_is_gray_and_so_is_its_noise(colors):
    batch = training_sets(colors)[0].batch(torch.arange(16), make_generator(0))
    expected = [True] * 4 + [False] * 12
    assert is_gray(batch.clean).tolist() == expected and is_gray(batch.noisy).tolist() == expected
    assert batch.sigma is not None and batch.sigma.tolist() == pytest.approx([0.1] * 16)
    assert (batch.noisy - batch.clean).flatten(1).std(1).numpy() == pytest.approx([0.1] * 16, rel=0.3)
    plain = training_sets(colors.with_values({"data.gray": 0.0}))[0].batch(torch.arange(16), make_generator(0))
    assert not is_gray(plain.clean).any()
    weights = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(batch.clean[:4, 0], torch.einsum("c,nchw->nhw", weights, plain.clean[:4]))
    assert torch.equal(batch.clean[4:], plain.clean[4:])


def test_augmentation_without_noise_shows_the_augmented_images(colors):
    tables = colors.to_dict()
    del tables["noise"]
    batch = training_sets(Recipe.from_dict(tables))[0].batch(torch.arange(8), make_generator(0))
    assert torch.equal(batch.noisy, batch.clean) and batch.sigma is None
    assert is_gray(batch.clean).sum() == 2


def test_images_cannot_be_augmented_under_fixed_noise(colors):
    for key in ("crop", "augment", "gray"):
        still = {"data.crop": 0, "data.augment": False, "data.gray": 0.0, "noise.fresh": False}
        training_sets(colors.with_values(still))
        with pytest.raises(UsageError, match=r"fixed noise cannot follow: set noise.fresh = true"):
            training_sets(colors.with_values(still | {f"data.{key}": colors.to_dict()["data"][key]}))


DEPTHS = ((np.uint8, 255.0), (np.uint16, 60000.0), (np.float32, 1.0), (np.float32, 300.0))


@pytest.fixture
def own(monkeypatch):
    """A recipe on a dataset with noisy images, their noise levels and a validation split."""

    def make(dtype: Any = np.uint8, data_range=255.0, channels=3, noisy_only=False, sigmas=True, **values):
        class Own:
            has_validation = True

            def load(self, split):
                rng = np.random.default_rng(len(split))
                count = {"train": 24}.get(split, 7)
                clean = (rng.uniform(0.3, 0.7, (count, channels, 12, 10)) * data_range).astype(dtype)
                noisy = clean if noisy_only else (clean + rng.normal(0, 0.05 * data_range, clean.shape)).astype(dtype)
                known = rng.uniform(0.1, 0.2, count).astype(np.float32) if sigmas else None
                return ImageSet(clean, noisy=noisy, sigmas=known, data_range=data_range)

        monkeypatch.setattr("pellucid.data.digits.Digits", Own)
        tables = RECIPE.with_values({"model.channels": channels, "data.train_images": 0} | values).to_dict()
        del tables["noise"]
        return Recipe.from_dict(tables)

    return make


def source(recipe, split="train"):
    return recipe.build("data").load(split)


@pytest.mark.parametrize(("dtype", "data_range"), DEPTHS)
def test_pairs_keep_their_depth_and_noise_levels(own, dtype, data_range):
    recipe = own(dtype, data_range)
    training, validation = training_sets(recipe)
    images, index = source(recipe), torch.tensor([5, 2, 9])
    batch = training.batch(index, make_generator(0))
    assert batch.clean.dtype == batch.noisy.dtype == torch.float32
    for found, expected in ((batch.clean, images.images), (batch.noisy, images.noisy)):
        np.testing.assert_allclose(found.numpy(), expected[[5, 2, 9]].astype(np.float64) / data_range, rtol=1e-6)
    assert batch.sigma is not None and batch.sigma.tolist() == images.sigmas[[5, 2, 9]].tolist()
    assert len(training) == 24 and len(validation) == 7 and len(load_test_set(recipe, 0)) == 7
    whole = validation.as_batch()
    np.testing.assert_array_equal(
        whole.noisy.numpy(), validation.batch(torch.arange(7), make_generator(0)).noisy.numpy()
    )
    assert whole.sigma is not None and validation.mean_sigma == pytest.approx(float(whole.sigma.mean()))
    assert validation.has_sigmas and not training_sets(own(sigmas=False))[0].has_sigmas


@pytest.mark.parametrize(("dtype", "data_range"), DEPTHS)
def test_both_images_of_a_pair_are_augmented_in_the_same_way(own, dtype, data_range):
    plain, _ = training_sets(own(dtype, data_range, **{"data.crop": 8, "data.augment": True}))
    twin = replace(plain, noisy=plain.clean.clone())
    index = torch.arange(24)
    batch = twin.batch(index, make_generator(0, "noise", 1))
    assert torch.equal(batch.noisy, batch.clean) and batch.clean.shape == (24, 3, 8, 8)
    found, again, other = (plain.batch(index, make_generator(0, "noise", step)) for step in (1, 1, 2))
    assert torch.equal(found.clean, batch.clean) and torch.equal(found.noisy, again.noisy)
    assert not torch.equal(found.clean, other.clean)
    assert 0.03 < (found.noisy - found.clean).std() < 0.07


def test_noisy_images_alone_are_target_and_input(own):
    for values in ({}, {"data.crop": 8, "data.augment": True}):
        training, validation = training_sets(own(np.uint16, 60000.0, noisy_only=True, **values))
        assert isinstance(training, NoisyOnly) and isinstance(validation, NoisyOnly)
        batch = training.batch(torch.arange(3), make_generator(0))
        assert batch.noisy is batch.clean and batch.sigma is not None
        assert validation.as_batch().noisy.shape == (7, 3, 12, 10)


def test_the_sigma_of_a_gray_image_is_that_of_its_gray_noise(own):
    training, _ = training_sets(own(np.float32, 1.0, **{"data.gray": 0.5}))
    for is_equal, kept in ((False, math.hypot(0.299, 0.587, 0.114)), (True, 1.0)):
        noise = torch.randn(24, 1 if is_equal else 3, 12, 10, generator=make_generator(0)) * 0.05
        images = replace(training, noisy=training.clean + noise, sigmas=torch.full((24,), 0.05))
        batch = images.batch(torch.arange(24), make_generator(0))
        assert batch.sigma is not None
        assert is_gray(batch.clean).tolist() == is_gray(batch.noisy).tolist() == [True] * 12 + [False] * 12
        assert batch.sigma[:12].mean() == pytest.approx(0.05 * kept, rel=0.05)
        assert torch.equal(batch.sigma[12:], torch.full((12,), 0.05))
    exact = replace(training, noisy=training.clean.clone()).batch(torch.arange(24), make_generator(0))
    assert exact.sigma is not None and training.sigmas is not None and torch.equal(exact.sigma, training.sigmas)


def test_noise_on_images_that_have_their_own_is_refused(own):
    tables = own().to_dict() | {"noise": {"name": "gaussian"}}
    for load in (training_sets, lambda recipe: load_test_set(recipe, 0)):
        with pytest.raises(UsageError, match=r'data "digits" have noise of their own.*remove the table \[noise\]'):
            load(Recipe.from_dict(tables))


@pytest.mark.parametrize(
    ("images", "message"),
    [({"channels": 5}, "the images have 5 channels: set data.gray = 0"), ({"noisy_only": True}, "set data.gray = 0")],
)
def test_gray_where_it_cannot_be_is_refused(own, images, message):
    with pytest.raises(UsageError, match=message):
        training_sets(own(**images, **{"data.gray": 0.5}))
    training_sets(own(noisy_only=True, sigmas=False, **{"data.gray": 0.5}))


def test_the_first_images_alone_are_used_of_a_set_with_its_own_validation(own):
    training, validation = training_sets(own(**{"data.train_images": 5}))
    assert (len(training), len(validation)) == (5, 7)


@pytest.mark.parametrize("noise", [{"name": "correlated"}, {"name": "mix"}, {"name": "camera"}, None])
def test_a_batch_of_nothing_is_empty(colors, noise):
    tables = colors.to_dict() | {"noise": noise}
    batch = training_sets(Recipe.from_dict(tables))[0].batch(torch.arange(0), make_generator(0))
    assert len(batch.clean) == len(batch.noisy) == 0


class MixedData:
    """Eight images, the odd ones with a noisy image that is darker by a fifth."""

    has_validation = True

    def load(self, split):
        clean = np.arange(8 * 64, dtype=np.uint16).reshape(8, 1, 8, 8) % 200 + 50
        clean = clean.astype(np.uint8)
        return ImageSet(clean, noisy=clean - 10, has_noisy=np.arange(8) % 2 == 1)


@pytest.fixture
def mixed(monkeypatch):
    monkeypatch.setattr("pellucid.recipes.recipe.Recipe.build", mixed_part(Recipe.build))
    return RECIPE


def mixed_part(build):
    return lambda recipe, kind: MixedData() if kind == "data" else build(recipe, kind)


def test_images_without_a_noisy_image_get_the_noise_of_the_recipe(mixed):
    training, validation = training_sets(mixed)
    index = torch.tensor([0, 1, 2, 3, 5])
    batch = training.batch(index, make_generator(0, "noise", 1))
    added = batch.noisy - batch.clean
    torch.testing.assert_close(added[:3], torch.full((3, 1, 8, 8), -10 / 255))
    assert (added[3:].flatten(1).std(1) > 0.1).all() and batch.sigma is not None
    torch.testing.assert_close(batch.sigma, torch.tensor([10 / 255] * 3 + [0.5] * 2))
    assert not torch.equal(training.batch(index, make_generator(0, "noise", 2)).noisy[3:], batch.noisy[3:])
    only = training.batch(torch.tensor([1, 3]), make_generator(0, "noise", 1))
    torch.testing.assert_close(only.noisy, only.clean - 10 / 255)
    whole = validation.as_batch()
    difference = whole.noisy - whole.clean
    torch.testing.assert_close(difference[1::2], torch.full((4, 1, 8, 8), -10 / 255))
    assert (difference[::2].flatten(1).std(1) > 0.1).all()
    torch.testing.assert_close(validation.batch(index, make_generator(0, "x")).noisy, whole.noisy[index])


def test_images_without_a_noisy_image_need_noise(mixed):
    with pytest.raises(UsageError, match=r"have no noise of their own: add a table \[noise\]"):
        training_sets(replace(mixed, noise=None))
