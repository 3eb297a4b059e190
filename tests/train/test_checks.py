"""What is wrong between a recipe and its images is found before the first step, and named with the remedy."""

import numpy as np
import pytest

from pellucid.data import ImageSet
from pellucid.errors import UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import training_sets
from pellucid.train.checks import check_images

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "unet", "widths": [4, 8]},
    "loss": {"name": "mse"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.01},
}


@pytest.fixture
def check(monkeypatch):
    """Check a recipe on images of one's own."""

    def check(images, noise=None, **values):
        class Own:
            has_validation = True

            def load(self, split):
                return images

        monkeypatch.setattr("pellucid.data.digits.Digits", Own)
        tables = TABLES | ({"noise": noise} if noise else {})
        recipe = Recipe.from_dict(tables).with_values(
            {key.replace("_", ".", 1): value for key, value in values.items()}
        )
        check_images(recipe, recipe.build("model"), training_sets(recipe)[0])

    return check


def pictures(count=12, seed=0, side=16, dtype: type = np.uint8):
    random = np.random.default_rng(seed)
    return random.integers(0, 255, (count, 1, side, side)).astype(dtype)


def noisy(images, sigma):
    return (images + np.random.default_rng(9).normal(0, sigma, images.shape)).astype(images.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_goes_together_passes(check, dtype):
    images = pictures(dtype=dtype)
    check(ImageSet(images, noisy=(images // 2).astype(dtype)))
    check(ImageSet(images, noisy=images))
    check(ImageSet(images), {"name": "gaussian", "sigma": 0.3})
    check(ImageSet(images))


def test_fewer_images_than_a_batch_are_refused_unless_asked_for(check):
    with pytest.raises(UsageError, match=r"7 images .* fewer than a batch of 8: .* train\.batch_size = 7 or less"):
        check(ImageSet(pictures(7)))
    check(ImageSet(pictures(7)), train_batch_size=7)
    check(ImageSet(pictures(40)), data_train_images=7)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_constant_images_are_refused_unless_there_are_others(check, dtype):
    images = np.repeat(np.arange(12, dtype=dtype), 256).reshape(12, 1, 16, 16)
    with pytest.raises(UsageError, match='each image of data "digits" is one single value'):
        check(ImageSet(images))
    images[3] = pictures(1)[0]
    check(ImageSet(images))
    check(ImageSet(images), {"name": "gaussian"})


def test_a_conditional_network_needs_sigmas(check):
    images = pictures()
    sigmas = np.full(len(images), 0.1, np.float32)
    with pytest.raises(UsageError, match=r"model\.condition = true needs noise levels.*set model\.condition = false"):
        check(ImageSet(images, noisy=images), model_condition=True)
    check(ImageSet(images, noisy=images, sigmas=sigmas), model_condition=True)
    check(ImageSet(images), {"name": "gaussian"}, model_condition=True)


def test_pairs_that_have_nothing_in_common_are_refused(check):
    images = pictures(dtype=np.float32)
    with pytest.raises(UsageError, match="have nothing in common with those they are paired with: pair them again"):
        check(ImageSet(images, noisy=pictures(seed=1, dtype=np.float32)))
    with pytest.raises(UsageError, match="or give images with less noise"):
        check(ImageSet(images, noisy=noisy(images, 1e5)))
    check(ImageSet(images, noisy=noisy(images, 400)))
    check(ImageSet(images, noisy=255 - images))


def test_noise_that_hides_everything_is_refused(check):
    for noise in ({"name": "masking", "fraction": 1.0}, {"name": "salt_pepper", "fraction": 1.0}):
        with pytest.raises(UsageError, match=r"the noise of \[noise\] hides the images completely: make it weaker"):
            check(ImageSet(pictures()), noise)


def test_sizes_and_labels_that_do_not_fit_are_refused(check):
    with pytest.raises(UsageError, match='an image of data "digits" has 1 channels, the model takes 3'):
        check(ImageSet(pictures()), model_channels=3)
    with pytest.raises(UsageError, match='data "digits" has no labels'):
        check(ImageSet(pictures()), objective={"name": "classification"})
