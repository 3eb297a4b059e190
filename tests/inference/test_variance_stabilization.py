import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from pellucid.inference.variance_stabilization import binned, rising, stabiliser


def ramp(size=300):
    """Every brightness from 0.02 to 0.98, in smooth areas."""
    return np.tile(np.linspace(0.02, 0.98, size, dtype=np.float32), (size, 1))


def photons(clean, peak, seed=0):
    return (np.random.default_rng(seed).poisson(clean * peak) / peak).astype(np.float32)


def deviations(values, clean):
    return np.array([values[(clean >= low) & (clean < low + 0.1)].std() for low in np.arange(0.05, 0.95, 0.1)])


@pytest.mark.parametrize("peak", [20, 100, 1000])
def test_the_noise_of_photons_has_one_deviation_on_the_stable_scale(peak):
    clean = ramp()
    noisy = photons(clean, peak)
    curve = stabiliser(noisy, clean)
    assert not curve.is_straight
    left = curve(noisy) - curve(clean)
    np.testing.assert_allclose(deviations(left, clean), curve.level, rtol=0.12)
    # Bartlett's integral of 1 / deviation is the square root, of deviation 1 / 2 sqrt(peak) where white is at 1.
    assert curve.level == pytest.approx(0.5 / peak**0.5, rel=0.1)
    np.testing.assert_allclose(curve(np.array([0.0, 1.0])), [0, 1], atol=1e-6)


def test_noise_that_is_the_same_everywhere_is_left_as_it_is():
    clean = ramp()
    noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    curve = stabiliser(noisy, clean)
    assert curve.is_straight and curve.level == pytest.approx(0.1, rel=0.01)
    assert np.array_equal(curve(noisy), noisy) and np.array_equal(curve.inverse(noisy), noisy)


def test_the_inverse_undoes_the_curve_also_far_beyond_its_ends():
    clean = ramp()
    curve = stabiliser(photons(clean, 50), clean).scaled(0.2)
    assert curve.level == 0.2
    values = np.linspace(-3, 9, 200, dtype=np.float32)
    stable = curve(values)
    assert np.all(np.diff(stable) > 0) and stable.dtype == np.float32
    np.testing.assert_allclose(curve.inverse(stable), values, atol=2e-3)


def test_calibrated_the_mean_of_noisy_values_comes_back_as_their_mean():
    clean = ramp()
    noisy = photons(clean, 8)
    curve = stabiliser(noisy, clean)
    # What a perfect network gives of each brightness: the mean on the stable scale.
    denoised = np.broadcast_to(curve(noisy).mean(axis=0), clean.shape)
    plain, kept = curve.inverse(denoised), curve.calibrated(denoised, noisy).inverse(denoised)
    shift = np.abs((plain - clean)[:, 20:-20]).mean()
    assert np.abs((kept - clean)[:, 20:-20]).mean() < 0.5 * shift
    assert abs(float(kept.mean() - noisy.mean())) < 0.002


def test_bins_hold_means_and_deviations():
    by = np.repeat(np.array([0.2, 0.6]), 1000)
    values = by + np.tile(np.array([-0.1, 0.3]), 1000)
    middles, means, spreads = binned(by, values)
    np.testing.assert_allclose(middles, [0.2, 0.6])
    np.testing.assert_allclose(means, [0.3, 0.7])
    np.testing.assert_allclose(spreads, [0.2, 0.2])


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (40, 40)])
@pytest.mark.parametrize("value", [0.0, 0.4])
def test_images_without_any_noise_are_left_as_they_are(size, value):
    flat = np.full(size, value, np.float32)
    curve = stabiliser(flat, flat)
    assert curve.is_straight and 0 < curve.level < 0.001
    assert np.array_equal(curve.calibrated(flat, flat).inverse(flat), flat)


def test_a_calibrated_curve_still_stabilises_as_before():
    clean = ramp()
    noisy = photons(clean, 20)
    curve = stabiliser(noisy, clean)
    assert np.array_equal(curve.calibrated(curve(clean) * 0.9, noisy)(noisy), curve(noisy))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_what_rises_is_nearest_to_what_was_given(values):
    found = rising(np.array(values))
    wanted = IsotonicRegression().fit_transform(np.arange(len(values)), values)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
