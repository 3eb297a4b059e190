"""The images of an evaluation keep the noise that they have."""

import numpy as np
import pytest

from pellucid.data import ImageSet
from pellucid.evaluate.measure import as_arrays, noisy_training_images
from pellucid.recipes.recipe import Recipe

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "conv"},
    "loss": {"name": "mse"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
}


@pytest.mark.parametrize("alone", [False, True])
def test_real_noise_stays_with_its_images(alone, monkeypatch):
    class Own:
        has_validation = True

        def load(self, split):
            clean = np.random.default_rng(len(split)).integers(0, 60_000, (6, 1, 8, 8)).astype(np.uint16)
            sigmas = np.full(6, 0.1 if split == "train" else 0.2, np.float32)
            return ImageSet(clean, noisy=clean if alone else clean + np.uint16(600), sigmas=sigmas, data_range=60_000)

    monkeypatch.setattr("pellucid.data.digits.Digits", Own)
    images = noisy_training_images(Recipe.from_dict(TABLES), 0, "rivals", 8)
    noisy, clean, _ = as_arrays(images)
    assert len(images) == 8 and images.mean_sigma == pytest.approx((6 * 0.1 + 2 * 0.2) / 8)
    assert (noisy is clean) == alone
    np.testing.assert_allclose(noisy - clean, 0 if alone else 0.01, rtol=1e-4)
