import numpy as np
import pytest

from pellucid.own_data.noise_statistics import (
    combined,
    from_difference,
    from_flattest,
    in_common,
    nothing_left,
    quietest,
)

from .conftest import scene

CLEAN = scene(0, 256, 256)[None]
WHITE = np.random.default_rng(0).normal(0, 0.05, CLEAN.shape)


def along(axis, reach=1):
    return sum(np.roll(WHITE, step, axis) for step in range(reach + 1)) / (reach + 1) ** 0.5


KINDS = {
    "none": WHITE,
    "rows": along(2),
    "columns": along(1, 2),
    "both": (WHITE + np.roll(WHITE, 1, 1) + np.roll(WHITE, 1, 2) + np.roll(WHITE, (1, 1), (1, 2))) / 2,
}


@pytest.mark.parametrize("axis", KINDS)
def test_the_axis_and_the_strength_are_found(axis):
    noisy = CLEAN + KINDS[axis]
    told = combined([from_difference(noisy, CLEAN)], "differences")
    alone = combined([from_flattest(noisy)], "flattest parts")
    for kind in (told, alone):
        assert kind.axis == axis
        assert kind.level == pytest.approx(0.05, rel=0.1)
        assert kind.shift == pytest.approx(0, abs=0.002)
    assert not told.depends and told.shot < 0.001 and told.read == pytest.approx(0.05, rel=0.1)
    reach = {"none": (0, 0), "rows": (1, 0), "columns": (0, 2), "both": (1, 1)}[axis]
    assert told.reach == reach


def test_a_smooth_difference_is_no_correlated_noise():
    noisy = CLEAN * 0.8 + 0.1 + WHITE
    told = combined([from_difference(noisy, CLEAN)], "differences")
    assert told.axis == "none" and told.shift == pytest.approx((CLEAN * -0.2 + 0.1).mean(), abs=0.002)


def test_two_takes_have_the_noise_of_each():
    other = np.random.default_rng(1).normal(0, 0.05, CLEAN.shape)
    told = combined([from_difference(CLEAN + WHITE, CLEAN + other, takes=True)], "differences")
    assert told.level == pytest.approx(0.05, rel=0.05) and told.shift == 0


def test_noise_that_follows_the_brightness_is_found_with_its_line():
    clean = np.tile(np.linspace(0.05, 0.95, 256), (1, 256, 1))
    noisy = clean + WHITE / 0.05 * np.sqrt(0.004 * clean + 0.01**2)
    for kind in (
        combined([from_difference(noisy, clean)], "differences"),
        combined([from_flattest(noisy)], "flattest parts"),
    ):
        assert kind.depends and kind.bright > 1.5 * kind.dark
        assert kind.shot == pytest.approx(0.004, rel=0.25) and kind.read < 0.02


def test_dots_are_found():
    dots = np.random.default_rng(0).random(CLEAN.shape)
    noisy = np.where(dots < 0.02, 0.0, np.where(dots > 0.97, 1.0, CLEAN))
    assert from_difference(noisy, CLEAN).impulses == pytest.approx(0.05, abs=0.005)
    assert from_difference(CLEAN + WHITE, CLEAN).impulses == 0


def test_levels_of_several_images():
    samples = [from_difference(CLEAN + factor * WHITE, CLEAN) for factor in (1, 2, 3)]
    kind = combined(samples, "differences")
    assert kind.level == pytest.approx(0.05 * (14 / 3) ** 0.5, rel=0.02)
    assert 0.05 < kind.least < 0.07 and 0.13 < kind.most < 0.15


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 9, 40), (1, 8, 8), (2, 3, 5)])
def test_small_images_give_finite_figures(shape):
    rng = np.random.default_rng(0)
    noisy, clean = rng.random(shape), rng.random(shape)
    for sample in (from_difference(noisy, clean), from_flattest(noisy)):
        kind = combined([sample], "differences")
        assert all(np.isfinite([kind.level, *kind.correlation, kind.dark, kind.bright, kind.shot, kind.read]))


def test_nothing_left_is_nothing_but_white_noise():
    assert nothing_left(0.5 + WHITE)
    assert not nothing_left(CLEAN + WHITE)
    assert not nothing_left(CLEAN)
    assert not nothing_left(0.5 + KINDS["both"])
    assert not nothing_left(0.5 + WHITE[:, :40, :40])


def test_what_two_images_have_in_common():
    assert in_common(CLEAN, 3 * CLEAN + 1) == pytest.approx(1)
    assert abs(in_common(CLEAN, WHITE)) < 0.02
    assert in_common(CLEAN, np.ones_like(CLEAN)) == 0


def test_the_quietest_part_tells_noise_from_texture():
    text = np.where(np.random.default_rng(0).random((1, 64, 64)) < 0.5, 0.0, 1.0)
    page = np.ones((1, 256, 256))
    page[:, :192, :192] = np.tile(text, (1, 3, 3))
    assert quietest(page) == pytest.approx(0, abs=1e-9)
    assert quietest(page + WHITE) == pytest.approx(0.045, abs=0.01)
