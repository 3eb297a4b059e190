import numpy as np
import pytest
import torch
from scipy import stats

from pellucid.noise.poisson_gaussian import PoissonGaussian


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(("peak", "sigma"), [(20, 0.05), (100, 0.0), (500, 0.1)])
def test_mean_and_variance_follow_the_signal(peak, sigma):
    values = torch.tensor([0.0, 0.05, 0.2, 0.5, 1.0, 1.5], dtype=torch.float64)
    clean = values.view(-1, 1, 1, 1).expand(-1, 1, 300, 300)
    noisy, sigmas = PoissonGaussian(peak, sigma)(clean, seeded())
    planes = noisy.flatten(1).numpy()
    np.testing.assert_allclose(planes.mean(1), values, atol=0.003)
    variance = values.numpy() / peak + sigma**2
    np.testing.assert_allclose(planes.var(1), variance, rtol=0.03)
    np.testing.assert_allclose(sigmas, np.sqrt(variance))


def test_without_read_noise_the_photons_are_counted():
    noisy, _ = PoissonGaussian(40, 0)(torch.full((1, 1, 200, 200), 0.3, dtype=torch.float64), seeded())
    counts = noisy.numpy().ravel() * 40
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    assert stats.skew(counts) == pytest.approx(12**-0.5, abs=0.05)


def test_without_light_the_read_noise_is_normal():
    noisy, _ = PoissonGaussian(100, 0.03)(torch.zeros(1, 1, 150, 150, dtype=torch.float64), seeded())
    assert stats.kstest(noisy.numpy().ravel() / 0.03, "norm").pvalue > 1e-3


def test_the_level_is_that_of_the_whole_sample():
    clean = torch.rand(2, 3, 200, 200, generator=seeded(), dtype=torch.float64) - 0.2
    noisy, sigmas = PoissonGaussian(30, 0.04)(clean, seeded())
    np.testing.assert_allclose((noisy - clean).flatten(1).square().mean(1).sqrt(), sigmas, rtol=0.02)


def test_ranges_draw_one_peak_and_one_sigma_a_sample():
    clean = torch.ones(400, 1, 16, 16, dtype=torch.float64)
    bright = PoissonGaussian((10, 1000), 0)(clean, seeded())[1]
    assert stats.kstest(bright**-2, stats.loguniform(10, 1000).cdf).pvalue > 1e-3
    read = PoissonGaussian(50, (0.1, 0.3))(clean * 0, seeded())[1]
    assert stats.kstest(read, stats.uniform(0.1, 0.2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("options", [{"peak": 0}, {"peak": (100, 10)}, {"sigma": 25}, {"sigma": "much"}])
def test_wrong_options_are_refused_with_the_remedy(options):
    with pytest.raises(ValueError, match=r"(peak|sigma)=.*: (give|swap)"):
        PoissonGaussian(**options)
