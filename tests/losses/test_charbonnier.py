import numpy as np
import pytest
import torch

from pellucid.losses.charbonnier import Charbonnier


@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_it_equals_numpys(epsilon):
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    difference = prediction.numpy().astype(np.float64) - clean.numpy()
    expected = np.sqrt(difference**2 + epsilon**2).mean()
    np.testing.assert_allclose(Charbonnier(epsilon)(prediction, clean), expected, rtol=1e-6)


def test_the_gradient_at_a_perfect_prediction_is_zero():
    clean = torch.rand(1, 1, 4, 4)
    prediction = clean.clone().requires_grad_()
    assert not torch.autograd.grad(Charbonnier()(prediction, clean), prediction)[0].any()


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_an_epsilon_not_above_zero_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        Charbonnier(epsilon)
