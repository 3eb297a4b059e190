import pytest
import torch
from scipy import stats

from pellucid.noise.salt_pepper import SaltPepper


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.7, 1.0])
def test_salt_and_pepper_have_half_the_fraction_each(fraction):
    clean = torch.rand(1, 1, 200, 200) * 0.8 + 0.1
    noisy, _ = SaltPepper(fraction)(clean, torch.Generator().manual_seed(0))
    for value in (0, 1):
        count = int((noisy == value).sum())
        assert stats.binomtest(count, noisy.numel(), fraction / 2).pvalue > 1e-3
    kept = (noisy != 0) & (noisy != 1)
    assert torch.equal(noisy[kept], clean[kept])


@pytest.mark.parametrize("fraction", [-0.1, 1.1, "half"])
def test_a_number_that_is_no_probability_is_refused_with_the_remedy(fraction):
    with pytest.raises(ValueError, match=r"fraction=.*: give the fraction"):
        SaltPepper(fraction)
