import numpy as np
import pytest
import torch

from pellucid.losses.l1 import L1


def test_it_equals_numpys():
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = np.abs(prediction.numpy().astype(np.float64) - clean.numpy()).mean()
    np.testing.assert_allclose(L1()(prediction, clean), expected, rtol=1e-6)


def test_a_power_is_taken_of_each_images_error():
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    errors = np.abs(prediction.numpy().astype(np.float64) - clean.numpy()).mean((1, 2, 3))
    expected = np.sqrt(errors + 0.1 / 255).mean()
    np.testing.assert_allclose(L1(power=0.5)(prediction, clean), expected, rtol=1e-6)


def test_under_a_power_the_same_relative_error_counts_equally_in_weak_and_strong_noise():
    noise = torch.tensor([0.01, 0.2])[:, None, None, None] * torch.randn(2, 3, 8, 8)
    for power, ratio in ((1.0, 1.0), (0.5, 0.2)):
        prediction = noise.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(L1(power)(prediction, torch.zeros_like(noise)), prediction)
        slopes = gradient.abs().mean((1, 2, 3))
        assert (slopes[1] / slopes[0]).item() == pytest.approx(ratio, rel=0.25)


def test_without_any_error_the_slope_is_finite():
    prediction = torch.zeros(2, 3, 4, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(L1(power=0.5)(prediction, torch.zeros(2, 3, 4, 5)), prediction)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("power", [0.0, -1.0, 1.5])
def test_other_powers_are_refused(power):
    with pytest.raises(ValueError, match=f"power = {power}"):
        L1(power)
