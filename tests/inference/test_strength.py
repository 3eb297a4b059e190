import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.inference.strength import check_strength, with_texture
from pellucid.metrics.sharpness import Sharpness

STRENGTHS = np.linspace(0, 1, 11)


def pair(channels, seed=0):
    """A noisy image and its local means."""
    noisy = np.random.default_rng(seed).random((1, channels, 24, 32), dtype=np.float32)
    padded = np.pad(noisy, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(-2, -1))
    return noisy, windows.mean(axis=(-2, -1))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_ends_are_the_noisy_and_the_denoised_image(channels):
    noisy, denoised = pair(channels)
    assert with_texture(noisy, denoised, 1) is denoised
    np.testing.assert_allclose(with_texture(noisy, denoised, 0), noisy, atol=1e-6)


def test_luma_is_a_straight_line_and_color_leaves_sooner():
    noisy, denoised = pair(3)
    back = with_texture(noisy, denoised, 0.5) - denoised
    taken = noisy - denoised
    luma, luma_back = (np.tensordot([0.299, 0.587, 0.114], part[0], axes=1) for part in (taken, back))
    np.testing.assert_allclose(luma_back, luma / 2, atol=1e-6)
    np.testing.assert_allclose(back[0] - luma_back, (taken[0] - luma) / 16, atol=1e-6)


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.299), (1, 0.587), (2, 0.114)])
def test_each_color_has_its_own_part_in_luma(channel, weight):
    """By the formula for one pixel: half of its luma comes back to all channels, a sixteenth of its color to each."""
    denoised = np.full((1, 3, 1, 1), 0.25, np.float32)
    noisy = denoised.copy()
    noisy[0, channel] += 0.5
    expected = np.full(3, 0.25 + (1 / 2 - 1 / 16) * weight * 0.5)
    expected[channel] += 0.5 / 16
    np.testing.assert_allclose(with_texture(noisy, denoised, 0.5)[0, :, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_sharpness_is_monotone_in_strength(channels):
    noisy, denoised = pair(channels)
    sharpness = [float(Sharpness()(with_texture(noisy, denoised, s), noisy)[0]) for s in STRENGTHS]
    assert np.all(np.diff(sharpness) < 0)


def test_without_a_batch_axis():
    noisy, denoised = pair(3)
    np.testing.assert_array_equal(with_texture(noisy[0], denoised[0], 0.3), with_texture(noisy, denoised, 0.3)[0])


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan"), 25])
def test_strengths_that_cannot_be_are_refused(strength):
    with pytest.raises(UsageError, match="give a number from 0"):
        check_strength(strength)
