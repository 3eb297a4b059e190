import numpy as np
import pytest
from torchmetrics.functional import mean_squared_error

from pellucid.metrics.mse import MSE


def test_equals_torchmetrics_image_by_image(torch_pair):
    image, reference = torch_pair
    expected = [float(mean_squared_error(one, other)) for one, other in zip(image, reference, strict=True)]
    np.testing.assert_allclose(MSE()(image.numpy(), reference.numpy()), expected, rtol=1e-5)


def test_is_in_squared_units_of_the_data_range():
    black, white_image = np.zeros((1, 1, 4, 4)), np.full((1, 1, 4, 4), 255.0)
    assert MSE()(black, white_image, data_range=255)[0] == 1
    assert MSE()(black, white_image, data_range=51)[0] == pytest.approx(25)


def test_eight_bit_differences_do_not_wrap():
    assert MSE()(np.zeros((1, 1, 2, 2), np.uint8), np.full((1, 1, 2, 2), 200, np.uint8), data_range=100)[0] == 4
