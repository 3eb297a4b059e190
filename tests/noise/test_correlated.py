import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter

from pellucid import registry
from pellucid.noise.correlated import Correlated
from pellucid.noise.random_fields import convolve_gaussian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def correlations(noise, axis):
    """Return the autocorrelation of (N, C, H, W) at lags 1 to 3 along an axis."""
    length = noise.shape[axis]
    pairs = [(noise.narrow(axis, lag, length - lag), noise.narrow(axis, 0, length - lag)) for lag in (1, 2, 3)]
    return [float((late * early).mean() / noise.square().mean()) for late, early in pairs]


@pytest.mark.parametrize(("sigma", "blur"), [(0.1, 0.0), (0.1, 0.5), (0.05, 1.0), (0.3, 1.5)])
def test_std_and_autocorrelation_are_those_of_filtered_white_noise(sigma, blur):
    clean = torch.full((2, 1, 500, 500), 0.4, dtype=torch.float64)
    noisy, sigmas = Correlated(sigma, blur)(clean, seeded())
    noise = noisy - clean
    white = np.random.default_rng(0).standard_normal((2, 1, 500, 500))
    filtered = torch.from_numpy(gaussian_filter(white, (0, 0, blur, blur), truncate=3))
    assert sigmas.tolist() == [sigma, sigma]
    assert noise.std().item() == pytest.approx(sigma, rel=0.02)
    assert abs(noise.mean().item()) < 0.02 * sigma * (1 + 2 * blur)
    for axis in (2, 3):
        np.testing.assert_allclose(correlations(noise, axis), correlations(filtered, axis), atol=0.02)


def test_the_autocorrelation_is_the_kernels_own():
    noise = Correlated(1.0, 1.0)(torch.zeros(1, 1, 800, 800), seeded())[0]
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    own = np.correlate(kernel, kernel, "full")[6:]
    np.testing.assert_allclose(correlations(noise, 2), own[1:4] / own[0], atol=0.015)


@pytest.mark.parametrize("blur", [0.4, 1.0, 1.3])
def test_one_impulse_becomes_a_gaussian_of_norm_one(blur):
    impulse = torch.zeros(1, 2, 21, 21, dtype=torch.float64)
    impulse[0, 0, 10, 10] = 1
    reach = int(np.ceil(3 * blur))
    found = convolve_gaussian(impulse, torch.tensor([blur], dtype=torch.float64), reach, keep="std")[0]
    wanted = gaussian_filter(impulse[0, 0].numpy(), blur, radius=reach)
    np.testing.assert_allclose(found[0], (wanted / np.linalg.norm(wanted))[reach:-reach, reach:-reach], atol=1e-12)
    assert not found[1].any()


def test_the_noise_is_as_strong_at_the_border_as_within():
    noise = Correlated(1.0, 1.5)(torch.zeros(400, 1, 24, 24), seeded())[0]
    for edge in (noise[:, :, 0], noise[..., 0], noise[:, :, -1], noise[..., -1]):
        assert edge.std().item() == pytest.approx(1, rel=0.08)


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_channels_share_as_much_of_the_variance_as_asked(shared):
    noise = Correlated(0.2, 0.7, shared)(torch.zeros(1, 3, 400, 400, dtype=torch.float64), seeded())[0]
    planes = noise[0].flatten(1).numpy()
    np.testing.assert_allclose(planes.std(axis=1), 0.2, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(planes)[np.triu_indices(3, 1)], shared, atol=0.02)


def test_ranges_draw_one_sigma_and_one_blur_a_sample():
    noise = Correlated((0.1, 0.4), (0.0, 2.0))
    noisy, sigmas = noise(torch.zeros(300, 1, 48, 48), seeded())
    assert stats.kstest(sigmas, stats.uniform(0.1, 0.3).cdf).pvalue > 1e-3
    np.testing.assert_allclose(noisy.flatten(1).square().mean(1).sqrt(), sigmas, rtol=0.25)
    neighbors = [correlations(sample[None], 2)[0] for sample in noisy]
    assert min(neighbors) < 0.1 and max(neighbors) > 0.85


def test_lists_as_toml_has_them_are_ranges():
    from_toml = registry.build("noise", "correlated", {"sigma": [0, 0.2], "blur": [0.5, 1]})
    assert from_toml == Correlated((0.0, 0.2), (0.5, 1.0)) and hash(from_toml) == hash(Correlated((0, 0.2), (0.5, 1)))


@pytest.mark.parametrize("options", [{"sigma": 25}, {"blur": -1}, {"blur": 9}, {"blur": (2, 1)}, {"shared": 1.5}])
def test_wrong_options_are_refused_with_the_remedy(options):
    with pytest.raises(ValueError, match=r"(sigma|blur|shared)=.*: (give|swap)"):
        Correlated(**options)
