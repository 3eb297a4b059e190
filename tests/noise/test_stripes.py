import numpy as np
import pytest
import torch
from scipy import stats

from pellucid.noise.stripes import Stripes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_of(stripes, count=40, channels=2, height=50, width=60):
    clean = torch.rand(count, channels, height, width, dtype=torch.float64, generator=seeded(9))
    noisy, sigmas = stripes(clean, seeded())
    return noisy - clean, sigmas


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 3), ("vertical", 2)])
def test_a_line_is_the_same_all_along_and_lines_are_normal(direction, axis):
    noise, _ = noise_of(Stripes(0.2, direction=direction))
    np.testing.assert_allclose(noise.diff(dim=axis), 0, atol=1e-12)
    np.testing.assert_allclose(noise[:, 0], noise[:, 1], atol=1e-12)
    first = noise.amax(dim=axis)[:, 0, ::8].flatten()
    assert stats.kstest(first / 0.2, "norm").pvalue > 1e-3


def test_crossed_stripes_share_the_variance():
    noise, _ = noise_of(Stripes(0.2, direction="both"), count=300)
    rows, columns = noise.mean(3), noise.mean(2)
    np.testing.assert_allclose(rows[:, :, None].mT + columns[:, :, None] - noise.mean((2, 3))[..., None, None], noise)
    assert noise[:, 0, 7, 9].std() == pytest.approx(0.2, rel=0.15)
    assert (rows - rows.mean(2, keepdim=True)).std() == pytest.approx(0.2 / 2**0.5, rel=0.05)


def test_bands_are_as_broad_as_asked():
    narrow, broad = (noise_of(Stripes(0.1, width=width), height=400)[0] for width in (1, 25))
    assert (narrow.diff(dim=2).std() / narrow.std()) > 5 * (broad.diff(dim=2).std() / broad.std())


def test_the_level_is_measured_and_ranges_are_sampled():
    noise, sigmas = noise_of(Stripes((0.05, 0.3), width=(1, 4)), count=200, height=60)
    np.testing.assert_allclose(sigmas, noise.flatten(1).square().mean(1).sqrt())
    assert sigmas.min() < 0.1 and sigmas.max() > 0.24


@pytest.mark.parametrize(
    "options", [{"sigma": 25}, {"width": 0.5}, {"width": (9, 3)}, {"direction": "diagonal"}, {"direction": None}]
)
def test_wrong_options_are_refused_with_the_remedy(options):
    with pytest.raises(ValueError, match=r"(sigma|width|direction)=.*: (give|swap|choose)"):
        Stripes(**options)
