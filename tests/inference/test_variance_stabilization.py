import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from pellucid.inference.variance_stabilization import VarianceStabilizer, bin_means, fit_stabilizer


def ramp(size=300):
    """Every brightness from 0.02 to 0.98, in smooth areas."""
    return np.tile(np.linspace(0.02, 0.98, size, dtype=np.float32), (size, 1))


def photons(clean, peak, seed=0):
    return (np.random.default_rng(seed).poisson(clean * peak) / peak).astype(np.float32)


def stds(values, clean):
    return np.array([values[(clean >= low) & (clean < low + 0.1)].std() for low in np.arange(0.05, 0.95, 0.1)])


@pytest.mark.parametrize("peak", [20, 100, 1000])
def test_photon_noise_has_one_std_on_the_stabilized_scale(peak):
    clean = ramp()
    noisy = photons(clean, peak)
    curve = fit_stabilizer(noisy, clean)
    assert not curve.is_identity
    left = curve(noisy) - curve(clean)
    np.testing.assert_allclose(stds(left, clean), curve.sigma, rtol=0.12)
    # Bartlett's integral of 1 / std is the square root, on which the noise has std 1 / 2 sqrt(peak) with white at 1.
    assert curve.sigma == pytest.approx(0.5 / peak**0.5, rel=0.1)
    np.testing.assert_allclose(curve(np.array([0.0, 1.0])), [0, 1], atol=1e-6)


def test_uniform_noise_gets_the_identity():
    clean = ramp()
    noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    curve = fit_stabilizer(noisy, clean)
    assert curve.is_identity and curve.sigma == pytest.approx(0.1, rel=0.01)
    assert np.array_equal(curve(noisy), noisy) and np.array_equal(curve.inverse(noisy), noisy)


def test_the_inverse_undoes_the_curve_even_far_beyond_its_ends():
    clean = ramp()
    curve = fit_stabilizer(photons(clean, 50), clean).scaled(0.2)
    assert curve.sigma == 0.2
    values = np.linspace(-3, 9, 200, dtype=np.float32)
    stable = curve(values)
    assert np.all(np.diff(stable) > 0) and stable.dtype == np.float32
    np.testing.assert_allclose(curve.inverse(stable), values, atol=2e-3)


def test_the_calibrated_inverse_keeps_the_mean_of_noisy_values():
    clean = ramp()
    noisy = photons(clean, 8)
    curve = fit_stabilizer(noisy, clean)
    # A perfect network returns the mean on the stabilized scale.
    denoised = np.broadcast_to(curve(noisy).mean(axis=0), clean.shape)
    plain, kept = curve.inverse(denoised), curve.calibrated(denoised, noisy).inverse(denoised)
    shift = np.abs((plain - clean)[:, 20:-20]).mean()
    assert np.abs((kept - clean)[:, 20:-20]).mean() < 0.5 * shift
    assert abs(float(kept.mean() - noisy.mean())) < 0.002


def test_bins_return_means_and_stds():
    by = np.repeat(np.array([0.2, 0.6]), 1000)
    values = by + np.tile(np.array([-0.1, 0.3]), 1000)
    positions, means, stds = bin_means(by, values)
    np.testing.assert_allclose(positions, [0.2, 0.6])
    np.testing.assert_allclose(means, [0.3, 0.7])
    np.testing.assert_allclose(stds, [0.2, 0.2])


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (40, 40)])
@pytest.mark.parametrize("value", [0.0, 0.4])
def test_images_without_noise_get_the_identity(size, value):
    flat = np.full(size, value, np.float32)
    curve = fit_stabilizer(flat, flat)
    assert curve.is_identity and 0 < curve.sigma < 0.001
    assert np.array_equal(curve.calibrated(flat, flat).inverse(flat), flat)


def test_calibration_does_not_change_the_forward_curve():
    clean = ramp()
    noisy = photons(clean, 20)
    curve = fit_stabilizer(noisy, clean)
    assert np.array_equal(curve.calibrated(curve(clean) * 0.9, noisy)(noisy), curve(noisy))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_calibrated_inverse_is_the_isotonic_regression_of_the_mean_intensities(means):
    denoised, noisy = (np.repeat(values, 256) for values in (np.linspace(0, 1, len(means)), means))
    inverse_points = VarianceStabilizer.identity(0.1).calibrated(denoised, noisy).inverse_points
    assert inverse_points
    positions, intensities = inverse_points
    expected = IsotonicRegression().fit_transform(np.arange(len(means)), means)
    np.testing.assert_allclose(positions, np.linspace(0, 1, len(means)), atol=1e-9)
    np.testing.assert_allclose(intensities, expected, atol=1e-5)
