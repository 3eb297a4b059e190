import numpy as np
import pytest
import torch
from torch.nn import functional

from pellucid.losses.charbonnier import Charbonnier
from pellucid.losses.edge import Edge
from pellucid.losses.mse import MSE


def test_it_equals_numpys():
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    ours, theirs = prediction.numpy().astype(np.float64), clean.numpy().astype(np.float64)
    across = np.abs((ours[..., 1:] - ours[..., :-1]) - (theirs[..., 1:] - theirs[..., :-1])).mean()
    down = np.abs((ours[..., 1:, :] - ours[..., :-1, :]) - (theirs[..., 1:, :] - theirs[..., :-1, :])).mean()
    expected = np.sqrt((ours - theirs) ** 2 + 0.01**2).mean() + 2 * (across + down) / 2
    np.testing.assert_allclose(Edge(weight=2.0, epsilon=0.01)(prediction, clean), expected, rtol=1e-6)


def test_without_weight_it_is_charbonnier():
    prediction, clean = torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4)
    assert Edge(weight=0)(prediction, clean) == Charbonnier()(prediction, clean)


def test_a_blurred_edge_costs_more_than_a_shift_in_brightness_of_the_same_squared_error():
    clean = torch.zeros(1, 1, 16, 16)
    clean[..., 8:] = 1
    blurred = functional.avg_pool2d(functional.pad(clean, (2, 2, 2, 2), mode="replicate"), 5, 1)
    shifted = clean + MSE()(blurred, clean).sqrt()
    torch.testing.assert_close(MSE()(blurred, clean), MSE()(shifted, clean))
    gradients = Edge(weight=1)(blurred, clean) - Edge(weight=0)(blurred, clean)
    assert gradients > 0.01
    torch.testing.assert_close(Edge(weight=1)(shifted, clean), Edge(weight=0)(shifted, clean))


@pytest.mark.parametrize("options", [{"weight": -0.5}, {"epsilon": 0.0}])
def test_options_out_of_range_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Edge(**options)
