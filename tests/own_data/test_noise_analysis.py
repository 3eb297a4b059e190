import numpy as np
import pytest

from pellucid.own_data.noise_analysis import (
    combine_samples,
    flat_block_sigma,
    measure_difference,
    measure_flat_blocks,
)

from .conftest import scene

CLEAN = scene(0, 256, 256)[None]
NOISE = np.random.default_rng(0).normal(0, 0.05, CLEAN.shape)


def along(axis, correlation_length=1):
    return sum(np.roll(NOISE, step, axis) for step in range(correlation_length + 1)) / (correlation_length + 1) ** 0.5


NOISES = {
    "none": NOISE,
    "rows": along(2),
    "columns": along(1, 2),
    "both": (NOISE + np.roll(NOISE, 1, 1) + np.roll(NOISE, 1, 2) + np.roll(NOISE, (1, 1), (1, 2))) / 2,
}


@pytest.mark.parametrize("axis", NOISES)
def test_the_axis_and_the_level_are_measured(axis):
    noisy = CLEAN + NOISES[axis]
    paired = combine_samples([measure_difference(noisy, CLEAN)], "differences")
    unpaired = combine_samples([measure_flat_blocks(noisy)], "flat blocks")
    for statistics in (paired, unpaired):
        assert statistics.axis == axis
        assert statistics.sigma == pytest.approx(0.05, rel=0.1)
        assert statistics.mean_shift == pytest.approx(0, abs=0.002)
    assert not paired.is_signal_dependent and paired.shot < 0.001 and paired.read == pytest.approx(0.05, rel=0.1)
    correlation_length = {"none": (0, 0), "rows": (1, 0), "columns": (0, 2), "both": (1, 1)}[axis]
    assert paired.correlation_length == correlation_length


def test_a_smooth_difference_is_not_correlated_noise():
    noisy = CLEAN * 0.8 + 0.1 + NOISE
    paired = combine_samples([measure_difference(noisy, CLEAN)], "differences")
    assert paired.axis == "none" and paired.mean_shift == pytest.approx((CLEAN * -0.2 + 0.1).mean(), abs=0.002)


def test_two_captures_give_the_noise_of_each():
    other = np.random.default_rng(1).normal(0, 0.05, CLEAN.shape)
    paired = combine_samples([measure_difference(CLEAN + NOISE, CLEAN + other, captures=True)], "differences")
    assert paired.sigma == pytest.approx(0.05, rel=0.05) and paired.mean_shift == 0


def test_signal_dependent_noise_is_detected_with_its_line():
    clean = np.tile(np.linspace(0.05, 0.95, 256), (1, 256, 1))
    noisy = clean + NOISE / 0.05 * np.sqrt(0.004 * clean + 0.01**2)
    for statistics in (
        combine_samples([measure_difference(noisy, clean)], "differences"),
        combine_samples([measure_flat_blocks(noisy)], "flat blocks"),
    ):
        assert statistics.is_signal_dependent and statistics.sigma_bright > 1.5 * statistics.sigma_dark
        assert statistics.shot == pytest.approx(0.004, rel=0.25) and statistics.read < 0.02


def test_impulses_are_detected():
    dots = np.random.default_rng(0).random(CLEAN.shape)
    noisy = np.where(dots < 0.02, 0.0, np.where(dots > 0.97, 1.0, CLEAN))
    assert measure_difference(noisy, CLEAN).impulse_fraction == pytest.approx(0.05, abs=0.005)
    assert measure_difference(CLEAN + NOISE, CLEAN).impulse_fraction == 0


def test_sigmas_of_several_images():
    samples = [measure_difference(CLEAN + factor * NOISE, CLEAN) for factor in (1, 2, 3)]
    statistics = combine_samples(samples, "differences")
    assert statistics.sigma == pytest.approx(0.05 * (14 / 3) ** 0.5, rel=0.02)
    assert 0.05 < statistics.min_sigma < 0.07 and 0.13 < statistics.max_sigma < 0.15


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 9, 40), (1, 8, 8), (2, 3, 5)])
def test_small_images_give_finite_statistics(shape):
    rng = np.random.default_rng(0)
    noisy, clean = rng.random(shape), rng.random(shape)
    for sample in (measure_difference(noisy, clean), measure_flat_blocks(noisy)):
        statistics = combine_samples([sample], "differences")
        assert all(
            np.isfinite(
                [
                    statistics.sigma,
                    *statistics.correlation,
                    statistics.sigma_dark,
                    statistics.sigma_bright,
                    statistics.shot,
                    statistics.read,
                ]
            )
        )


def test_flat_blocks_distinguish_noise_from_texture():
    text = np.where(np.random.default_rng(0).random((1, 64, 64)) < 0.5, 0.0, 1.0)
    page = np.ones((1, 256, 256))
    page[:, :192, :192] = np.tile(text, (1, 3, 3))
    assert flat_block_sigma(page) == pytest.approx(0, abs=1e-9)
    assert flat_block_sigma(page + NOISE) == pytest.approx(0.045, abs=0.01)
