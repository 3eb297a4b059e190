import numpy as np

from pellucid.classical.nlm import NLM


def test_takes_noise_out_of_a_repeating_pattern_that_a_blur_would_destroy():
    rng = np.random.default_rng(0)
    clean = np.tile(np.array([[0.0, 1.0], [1.0, 0.0]], np.float32), (16, 16))[None, None]
    noisy = clean + 0.1 * rng.standard_normal(clean.shape, dtype=np.float32)
    denoised = NLM(strength=0.2)(noisy)
    assert np.square(denoised - clean).mean() < 0.1 * np.square(noisy - clean).mean()


def test_strength_zero_changes_nothing():
    image = np.random.default_rng(0).random((1, 1, 9, 9), dtype=np.float32)
    np.testing.assert_array_equal(NLM(strength=0.0)(image), image)
