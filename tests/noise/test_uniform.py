import math

import pytest
import torch
from scipy import stats

from pellucid.noise.uniform import Uniform


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.9), (-0.25, 0.25), (0.1, 0.1)])
def test_the_noise_is_uniform_between_its_bounds(low, high):
    clean = torch.rand(2, 1, 200, 200, dtype=torch.float64)
    noisy, sigmas = Uniform(low, high)(clean, torch.Generator().manual_seed(0))
    noise = (noisy - clean).numpy().ravel()
    assert low - 1e-12 <= noise.min() and noise.max() <= high + 1e-12
    assert noise.mean() == pytest.approx((low + high) / 2, abs=0.005)
    assert noise.std() == pytest.approx((high - low) / math.sqrt(12), abs=0.003)
    assert sigmas.tolist() == pytest.approx([(high - low) / math.sqrt(12)] * 2)
    if high > low:
        assert stats.kstest(noise, stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize("options", [{"low": 0.9, "high": 0.1}, {"high": 230}, {"low": "0"}, {"high": float("nan")}])
def test_wrong_bounds_are_refused_with_the_remedy(options):
    with pytest.raises(ValueError, match=r"(low|high)=.*: (give|swap)"):
        Uniform(**options)
