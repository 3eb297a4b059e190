import numpy as np
import pytest
import torch
from scipy import stats

from pellucid.noise.poisson import Poisson


@pytest.mark.parametrize(("peak", "value"), [(30, 0.5), (4, 1.0), (1000, 0.1)])
def test_the_counts_follow_the_poisson_distribution(peak, value):
    noisy, sigmas = Poisson(peak)(torch.full((1, 1, 200, 200), value), torch.Generator().manual_seed(0))
    counts = noisy.double().numpy().ravel() * peak
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    assert counts.mean() == pytest.approx(peak * value, rel=0.02)
    assert counts.var() == pytest.approx(peak * value, rel=0.05)
    edges = stats.poisson(peak * value).ppf([0.1, 0.25, 0.5, 0.75, 0.9])
    expected = stats.poisson(peak * value).cdf(edges)
    measured = [(np.rint(counts) <= edge).mean() for edge in edges]
    np.testing.assert_allclose(measured, expected, atol=0.015)
    assert sigmas.item() == pytest.approx((value / peak) ** 0.5)


def test_negative_values_count_as_dark():
    noisy, sigmas = Poisson()(torch.full((1, 1, 8, 8), -0.2), torch.Generator().manual_seed(0))
    assert not noisy.any()
    assert sigmas.item() == pytest.approx(0.2)


@pytest.mark.parametrize("peak", [0, -1, float("inf"), "bright"])
def test_peaks_without_photons_are_refused_with_the_remedy(peak):
    with pytest.raises(ValueError, match=r"peak=.*: give the photons"):
        Poisson(peak)
