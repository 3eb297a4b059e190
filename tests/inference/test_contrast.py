import numpy as np
import pytest

from pellucid.inference.contrast import clipping_points, is_stretched, match_stretch

FRACTION = 0.002


def scene():
    """A dark picture with soft spots, as a fluorescence microscope gives it, in [0, 1] units."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:200, :200]
    spots = [np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 200) for y, x in random.uniform(0, 200, (20, 2))]
    return np.maximum.reduce(spots) * 0.9 + 0.05


def auto_contrast(image, fraction=FRACTION):
    """Saturate a fraction of the values at each end, as in ImageJ."""
    low, high = np.quantile(image, [fraction, 1 - fraction])
    return np.clip((image - low) / (high - low), 0, 1)


def noisy_of(clean):
    return clean + np.random.default_rng(1).normal(size=clean.shape) * np.sqrt(0.05 * clean + 0.001)


def test_a_picture_stretched_to_its_noise_gets_its_brightness_back():
    clean, noisy = auto_contrast(scene()), auto_contrast(noisy_of(scene()))
    wide = noisy_of(scene())
    low, high = np.quantile(wide, [FRACTION, 1 - FRACTION])
    perfect = (scene() - low) / (high - low)
    before = np.sqrt(np.mean((perfect - clean) ** 2))
    restored = match_stretch(perfect, noisy, 1.0)
    assert before > 0.1
    assert np.sqrt(np.mean((np.clip(restored, 0, 1) - clean) ** 2)) < 0.1 * before


def test_the_shares_at_the_ends_come_out_as_they_were():
    noisy = auto_contrast(noisy_of(scene()))
    denoised = scene() * 0.5 + np.linspace(0.1, 0.2, 200)
    restored = match_stretch(denoised, noisy, 1.0).round(6)
    np.testing.assert_allclose(clipping_points(restored, 1.0), clipping_points(noisy, 1.0), atol=2e-4)


def test_eight_bits_and_floats_are_stretched_alike():
    noisy, denoised = auto_contrast(noisy_of(scene())), scene() * 0.6
    np.testing.assert_allclose(
        match_stretch(denoised * 255, noisy * 255, 255.0), match_stretch(denoised, noisy, 1.0) * 255, rtol=1e-4
    )


@pytest.mark.parametrize("data_range", [1.0, 255.0, 65535.0])
def test_a_stretched_image_is_detected(data_range):
    noisy = auto_contrast(noisy_of(scene()))
    assert is_stretched(np.round(noisy * data_range) if data_range > 1 else noisy, data_range)
    assert not is_stretched(np.clip(noisy_of(scene()) * 0.5, 0, 1) * data_range, data_range)
    page = np.ones((50, 50)) * data_range
    page[10:20] = 0
    assert not is_stretched(page, data_range)


def test_light_that_is_really_white_stays_as_it_is():
    lamp = np.full((100, 100), 0.3)
    lamp[:10, :10] = 1.0
    noisy = np.clip(lamp + np.random.default_rng(2).normal(0, 0.02, lamp.shape), 0, 1)
    np.testing.assert_allclose(match_stretch(lamp, noisy, 1.0), lamp, atol=0.01)


def test_a_flat_picture_is_left_alone_and_the_gain_is_limited():
    noisy = auto_contrast(noisy_of(scene()))
    flat = np.full((20, 20), 0.4)
    np.testing.assert_array_equal(match_stretch(flat, noisy, 1.0), flat)
    faint = scene() * 0.01
    assert np.ptp(match_stretch(faint, noisy, 1.0)) == pytest.approx(4 * np.ptp(faint), rel=1e-4)
