import math

import numpy as np
import pytest
import torch
from scipy import stats

from pellucid import registry
from pellucid.noise import corrupt
from pellucid.noise.gaussian import Gaussian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 1.26])
def test_the_noise_is_normal_with_that_sigma(sigma):
    clean = torch.full((2, 1, 200, 200), 0.3)
    noisy, sigmas = Gaussian(sigma)(clean, seeded())
    noise = (noisy - clean).double().numpy().ravel()
    assert abs(noise.mean()) < 5 * sigma / math.sqrt(noise.size)
    assert noise.std() == pytest.approx(sigma, rel=0.02)
    assert stats.kstest(noise / sigma, "norm").pvalue > 1e-3
    assert sigmas.tolist() == pytest.approx([sigma, sigma])


def test_noise_is_independent_between_values_and_samples():
    noisy, _ = Gaussian(1.0)(torch.zeros(2, 2, 100, 100), seeded())
    shifted = [noisy[:, :, 1:] * noisy[:, :, :-1], noisy[..., 1:] * noisy[..., :-1], noisy[0] * noisy[1]]
    assert all(abs(product.mean()) < 0.04 for product in shifted)


def test_a_range_draws_one_sigma_a_sample():
    clean = torch.zeros(300, 1, 24, 24)
    noisy, sigmas = Gaussian((0.1, 0.4))(clean, seeded())
    assert stats.kstest(sigmas.numpy(), stats.uniform(0.1, 0.3).cdf).pvalue > 1e-3
    np.testing.assert_allclose(noisy.flatten(1).std(1), sigmas, rtol=0.2)


def test_a_list_as_toml_has_it_is_a_range():
    from_toml = registry.build("noise", "gaussian", {"sigma": [0, 1]})
    assert from_toml == Gaussian((0.0, 1.0))
    assert hash(from_toml) == hash(Gaussian((0.0, 1.0)))


def test_sigma_zero_changes_nothing():
    clean = torch.rand(2, 1, 8, 8)
    assert torch.equal(Gaussian(0)(clean, seeded())[0], clean)


def test_clipping_is_asked_for():
    clean = torch.rand(2, 1, 32, 32)
    free, sigmas = corrupt(Gaussian(0.5), clean, seeded(), clip=False)
    clipped, same_level = corrupt(Gaussian(0.5), clean, seeded(), clip=True)
    assert free.min() < 0 and free.max() > 1
    assert torch.equal(clipped, free.clamp(0, 1))
    assert torch.equal(sigmas, same_level)


@pytest.mark.parametrize("sigma", [25, -0.1, float("nan"), float("inf"), "0.1", True, (0.1,), (0.4, 0.1), (0.1, 25)])
def test_wrong_sigma_is_refused_with_the_remedy(sigma):
    with pytest.raises(ValueError, match=r"sigma=.*: (give|swap)"):
        Gaussian(sigma)
