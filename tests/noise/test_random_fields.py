import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from pellucid.noise.random_fields import across, between, creases, gaussian_blur, lines, outside, waves


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def full(value, count=1):
    return torch.full((count, 1, 1, 1), float(value), dtype=torch.float64)


@pytest.mark.parametrize("period", [1.0, 2.5, 7.3])
def test_waves_are_standard_normal_at_every_position(period):
    fields = waves(full(period, 3000), 5, 6, seeded())
    assert fields.shape == (3000, 1, 5, 6)
    for row, column in ((0, 0), (2, 3), (4, 5)):
        assert stats.kstest(fields[:, 0, row, column], "norm").pvalue > 1e-3


def test_waves_are_smooth_within_a_period_and_independent_a_few_periods_apart():
    field = waves(full(8, 40), 1, 600, seeded())[:, 0, 0].numpy()
    near, far = (np.corrcoef(field[:, :-gap].ravel(), field[:, gap:].ravel())[0, 1] for gap in (1, 40))
    assert near > 0.95 and abs(far) < 0.05


def test_each_sample_has_its_own_period():
    fields = waves(torch.tensor([2.0, 40.0]).view(2, 1, 1, 1), 200, 200, seeded())
    steps = fields.diff(dim=3).flatten(1).std(1)
    assert steps[0] > 10 * steps[1]


def test_lines_are_standard_normal():
    found = lines(full(3, 2000), 4, seeded())
    assert found.shape == (2000, 4) and stats.kstest(found[:, 2], "norm").pvalue > 1e-3


def test_a_creased_surface_has_jumps_in_its_light_where_a_smooth_one_has_none():
    period = full(30)
    creased, smooth = (creases(period, facets, 200, 200, seeded())[0, 0].numpy() for facets in (4, 1))
    kurtosis = [stats.kurtosis(np.abs(np.diff(light, axis=0)).ravel()) for light in (creased, smooth)]
    assert kurtosis[0] > 10 * max(kurtosis[1], 1)
    assert abs(creased.mean()) < 0.5 and 0.3 < creased.std() < 2


def test_the_distance_from_a_line_and_the_position_along_it_are_a_rotated_grid():
    like = torch.zeros(5, 1, 30, 40, dtype=torch.float64)
    distance, along = across(like, between(0, math.pi, like, seeded()), seeded(1))
    np.testing.assert_allclose(distance.diff(dim=2)[..., 1:] ** 2 + distance.diff(dim=3)[..., 1:, :] ** 2, 1)
    product = distance.diff(dim=2)[..., 1:] * along.diff(dim=2)[..., 1:]
    product += distance.diff(dim=3)[..., 1:, :] * along.diff(dim=3)[..., 1:, :]
    np.testing.assert_allclose(product, 0, atol=1e-12)
    assert (distance.amin((1, 2, 3)) < 1).all() and (distance.amax((1, 2, 3)) > -1).all()


def test_a_smooth_disc_has_its_radius_and_reaches_into_the_image():
    like = torch.zeros(20, 1, 300, 300, dtype=torch.float64)
    distance = outside(like, full(25, 20), full(0, 20), seeded())
    areas = (distance < 0).flatten(1).sum(1)
    whole = areas[(distance[:, 0, [0, -1]] > 0).flatten(1).all(1) & (distance[..., [0, -1]] > 0).flatten(1).all(1)]
    assert len(whole) > 5 and (areas > 0).all()
    np.testing.assert_allclose(whole, math.pi * 25**2, rtol=0.01)


def test_the_blur_is_a_gaussian_filter_and_keeps_flat_images():
    images = torch.rand(2, 3, 30, 35, dtype=torch.float64, generator=seeded())
    found = gaussian_blur(images, torch.tensor([0.6, 1.5], dtype=torch.float64).view(2, 1, 1, 1))
    for image, result, width in zip(images.numpy(), found.numpy(), (0.6, 1.5), strict=True):
        expected = ndimage.gaussian_filter(image, (0, width, width), mode="nearest", radius=(0, 5, 5))
        np.testing.assert_allclose(result, expected, atol=2e-5)
    flat = torch.full((1, 1, 9, 9), 0.3)
    torch.testing.assert_close(gaussian_blur(flat, torch.full((1, 1, 1, 1), 2.0)), flat)
    assert gaussian_blur(flat, torch.zeros(1, 1, 1, 1)) is flat
