"""Outliers by reconstruction error, on networks that are trained in a second."""

from typing import Any

import numpy as np
import pytest

from pellucid import registry
from pellucid.checkpoint import Checkpoint
from pellucid.errors import UsageError
from pellucid.evaluate.outliers import outliers
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.train.loop import train

# Checkerboards of 0 and 1: mean 0.5, variance 0.25.
CHECKERBOARD = (np.indices((1, 8, 8)).sum(axis=0) % 2).astype(np.float32)


def recipe(**tables) -> Recipe:
    known: dict[str, Any] = {
        "name": "ordinary",
        "summary": "An autoencoder of digits alone",
        "data": {"name": "digits"},
        "model": {"name": "dense", "image": [1, 8, 8], "widths": [16]},
        "loss": {"name": "bce"},
        "train": {"epochs": 10, "batch_size": 64, "lr": 0.01, "threads": 1, "precision": "fp32"},
    }
    return Recipe.from_dict(known | tables)


class Erring(Denoiser):
    """Moves every pixel towards the middle, such that image i has the i-th relative error."""

    def __init__(self, errors, **tables):
        chosen = recipe(**tables)
        super().__init__(Checkpoint(chosen, {"denoiser": chosen.build("model")}))
        self.offsets = np.sqrt(0.25 * np.asarray(errors)).reshape(-1, 1, 1, 1)
        self.shown = np.empty(0)

    def batch(self, images, sigma=None):
        self.shown = images
        return np.where(np.round(boards(len(images))) > 0.5, 1 - self.offsets, self.offsets)


def boards(count):
    return np.repeat(CHECKERBOARD[None], count, axis=0)


def area_under_curve(scores, strange):
    """Return how often a strange image scores above an ordinary one."""
    ordinary, odd = scores[~strange], scores[strange]
    return (odd[:, None] > ordinary[None, :]).mean()


def test_a_far_larger_error_is_flagged_and_nothing_else():
    errors = np.append(np.exp(np.linspace(-8.2, -7.8, 50)), 0.2)
    found = outliers(Erring(errors), boards(51))
    assert found.errors == pytest.approx(errors, rel=1e-4)
    assert found.flagged.tolist() == [False] * 50 + [True]
    assert (found.flagged == (found.errors > found.threshold)).all()
    assert (found.flagged == (found.scores > found.cutoff)).all()


def test_scores_are_modified_z_scores_of_the_logarithm():
    errors = np.exp([-9.0, -8.0, -7.0, -6.0, -2.0])
    found = outliers(Erring(errors), boards(5))
    assert found.scores == pytest.approx((np.log(errors) + 7) / 1.4826, rel=1e-3)


def test_a_reference_defines_the_typical_error_if_most_images_are_outliers():
    denoiser = Erring([0.1, 0.12, 0.11, 0.001])
    assert not outliers(denoiser, boards(4)).flagged[:3].any()
    found = outliers(denoiser, boards(4), reference=np.array([0.0009, 0.001, 0.0011]))
    assert found.flagged.tolist() == [True, True, True, False]


def test_images_restored_alike_or_perfectly_have_no_outliers():
    assert not outliers(Erring([0.01] * 5), boards(5)).flagged.any()
    assert outliers(Erring([0.0] * 5), boards(5)).scores == pytest.approx(np.zeros(5))


def test_the_denoiser_is_shown_the_noise_that_it_knows():
    denoiser = Erring([0.01] * 3, noise={"name": "uniform", "low": 0.2, "high": 0.9})
    outliers(denoiser, boards(3))
    assert (denoiser.shown >= np.clip(boards(3) + 0.2, 0, 1)).all()
    first = denoiser.shown
    outliers(denoiser, boards(3))
    assert np.array_equal(denoiser.shown, first)
    outliers(denoiser, boards(3), add_noise=False)
    assert np.array_equal(denoiser.shown, boards(3))


def test_too_few_images_and_images_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="2 images are too few"):
        outliers(Erring([0.1, 0.1]), boards(2))
    with pytest.raises(UsageError, match="is 9x9, the model takes 8x8"):
        outliers(Erring([0.1] * 3), np.zeros((3, 1, 9, 9), np.float32))


def test_patterns_among_digits_are_found(tmp_path):
    denoiser = Denoiser.load(train(recipe(), tmp_path).best)
    digits = registry.build("data", "digits", {}).load("test").images[:200] / np.float32(255)
    patterns = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    found = outliers(denoiser, np.concatenate([digits, patterns]))
    strange = np.arange(220) >= 200
    assert area_under_curve(found.scores, strange) > 0.99
    assert found.flagged[strange].mean() > 0.9
    assert found.flagged[~strange].mean() < 0.02


@pytest.mark.slow
@pytest.mark.skipif(
    not all(registry.build("data", name, {}).available() for name in ("mnist", "fashion_mnist")),
    reason="MNIST and Fashion-MNIST are not available",
)
def test_clothes_among_digits_are_found(tmp_path):
    model = {"name": "dense", "image": [1, 28, 28], "widths": [64]}
    chosen = recipe(data={"name": "mnist"}, model=model, noise={"name": "uniform"}).with_values({"train.epochs": 3})
    denoiser = Denoiser.load(train(chosen, tmp_path).best)
    digits = registry.build("data", "mnist", {}).load("test").images[:1000] / np.float32(255)
    clothes = registry.build("data", "fashion_mnist", {}).load("test").images[:50] / np.float32(255)
    found = outliers(denoiser, np.concatenate([digits, clothes]))
    strange = np.arange(1050) >= 1000
    assert area_under_curve(found.scores, strange) > 0.98
    assert found.flagged[~strange].mean() < 0.02
