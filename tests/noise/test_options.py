import math

import numpy as np
import pytest
import torch
from scipy import stats

from pellucid.noise.options import number_between, per_sample, range_between, rms_difference, sample_uniform


def seeded():
    return torch.Generator().manual_seed(0)


def test_numbers_within_the_limits_become_floats():
    assert number_between("blur", 2, 0, 8, "give pixels") == 2.0
    assert type(number_between("blur", 0, 0, 8, "give pixels")) is float


@pytest.mark.parametrize("wrong", [-1, 9, float("nan"), float("inf"), "2", None, True, [2]])
def test_other_values_are_refused_with_name_value_and_remedy(wrong):
    with pytest.raises(ValueError) as caught:
        number_between("blur", wrong, 0, 8, "give pixels")
    assert str(caught.value) == f"blur={wrong!r} is not a number from 0 to 8: give pixels"


def test_a_range_is_one_number_or_a_pair_in_order():
    assert range_between("blur", 2, 0, 8, "") == 2.0
    assert range_between("blur", [0, 1], 0, 8, "") == (0.0, 1.0)
    assert range_between("blur", (1, 1), 0, 8, "") == (1.0, 1.0)
    for wrong, message in (
        ([1], "is not a pair"),
        ([1, 2, 3], "is not a pair"),
        ([2, 1], "swap them"),
        ([0, 9], "blur=9"),
    ):
        with pytest.raises(ValueError, match=message):
            range_between("blur", wrong, 0, 8, "")


def test_one_number_is_the_same_for_all_and_takes_nothing_from_the_generator():
    generator = seeded()
    before = generator.get_state()
    numbers = sample_uniform(0.3, torch.zeros(4, 1, 2, 2, dtype=torch.float64), generator)
    assert numbers.dtype == torch.float64 and numbers.tolist() == [0.3] * 4
    assert torch.equal(generator.get_state(), before)


def test_a_range_is_sampled_uniformly_or_log_uniformly():
    like = torch.zeros(3000, 1, 1, 1, dtype=torch.float64)
    assert stats.kstest(sample_uniform((2.0, 5.0), like, seeded()), stats.uniform(2, 3).cdf).pvalue > 1e-3
    numbers = sample_uniform((1e-4, 1e-1), like, seeded(), log=True)
    assert stats.kstest(numbers, stats.loguniform(1e-4, 1e-1).cdf).pvalue > 1e-3


def test_numbers_broadcast_with_images_and_the_difference_is_a_root_mean_square():
    clean = torch.zeros(2, 3, 4, 5)
    noisy = clean + per_sample(torch.tensor([0.5, 2.0]))
    noisy[0, :, :2] *= -1
    np.testing.assert_allclose(rms_difference(noisy, clean), [0.5, 2.0])
    noisy = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    assert rms_difference(noisy, torch.zeros_like(noisy)).item() == pytest.approx(math.sqrt(12.5))
