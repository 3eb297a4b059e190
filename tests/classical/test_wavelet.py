import numpy as np
import pytest

from pellucid.classical.wavelet import Wavelet


def test_strong_shrinkage_leaves_the_mean_of_each_block_that_the_levels_span():
    image = np.random.default_rng(0).random((1, 1, 16, 16), dtype=np.float32)
    denoised = Wavelet(strength=10.0, wavelet="db1", levels=2)(image)
    means = image.reshape(4, 4, 4, 4).mean(axis=(1, 3)).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_allclose(denoised[0, 0], means, atol=1e-5)


def test_levels_are_held_to_the_size_and_a_size_without_any_comes_back():
    image = np.random.default_rng(0).random((1, 1, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(Wavelet(levels=9)(image), Wavelet(levels=3)(image))
    np.testing.assert_array_equal(Wavelet(wavelet="sym8")(image), image)


def test_strength_zero_changes_nothing():
    image = np.random.default_rng(0).random((1, 1, 9, 9), dtype=np.float32)
    np.testing.assert_array_equal(Wavelet(strength=0.0)(image), image)


def test_levels_are_at_least_one():
    with pytest.raises(ValueError, match="levels is 0"):
        Wavelet(levels=0)
