import pytest
import torch
from scipy import stats

from pellucid.noise.speckle import Speckle


def test_the_noise_is_normal_relative_to_each_value():
    clean = torch.rand(1, 1, 200, 200) + 0.1
    noisy, _ = Speckle(0.2)(clean, torch.Generator().manual_seed(0))
    relative = ((noisy - clean) / clean / 0.2).numpy().ravel()
    assert stats.kstest(relative, "norm").pvalue > 1e-3


def test_black_stays_black():
    noisy, sigmas = Speckle(0.5)(torch.zeros(1, 1, 8, 8), torch.Generator().manual_seed(0))
    assert not noisy.any() and not sigmas.any()


@pytest.mark.parametrize("sigma", [-0.1, 25, (0.1, 0.2)])
def test_wrong_sigma_is_refused_with_the_remedy(sigma):
    with pytest.raises(ValueError, match=r"sigma=.*: give it relative"):
        Speckle(sigma)
