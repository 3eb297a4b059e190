import pytest
import torch
from scipy import stats

from pellucid.noise.masking import Masking


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 1.0])
def test_that_fraction_of_the_values_becomes_zero_and_the_others_stay(fraction):
    clean = torch.rand(1, 3, 100, 100) + 0.1
    noisy, _ = Masking(fraction)(clean, torch.Generator().manual_seed(0))
    zero = noisy == 0
    assert torch.equal(noisy[~zero], clean[~zero])
    assert stats.binomtest(int(zero.sum()), zero.numel(), fraction).pvalue > 1e-3


def test_each_channel_is_masked_for_itself():
    noisy, _ = Masking(0.5)(torch.ones(1, 2, 50, 50), torch.Generator().manual_seed(0))
    assert not torch.equal(noisy[:, 0], noisy[:, 1])


@pytest.mark.parametrize("fraction", [-0.1, 1.1, 50, None])
def test_a_number_that_is_no_probability_is_refused_with_the_remedy(fraction):
    with pytest.raises(ValueError, match=r"fraction=.*: give the fraction"):
        Masking(fraction)
