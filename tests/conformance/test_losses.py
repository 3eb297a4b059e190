"""What every loss keeps to, whichever files there are."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pellucid import registry
from pellucid.errors import UsageError

every_loss = pytest.mark.parametrize("name", registry.names("loss"))
shapes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))
seeds = st.integers(0, 2**31)


def clean_and_perfect(loss, shape, seed=0):
    """Clean images off the borders of [0, 1], and the prediction (or logits) that equals them."""
    clean = 0.02 + 0.96 * torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return clean, clean.logit() if loss.on_logits else clean.clone()


@every_loss
@given(shape=shapes, seed=seeds)
def test_a_perfect_prediction_loses_least(name, shape, seed):
    loss = registry.load("loss", name)()
    clean, perfect = clean_and_perfect(loss, shape, seed)
    off = perfect + 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed + 1))
    value = loss(perfect, clean)
    assert value.ndim == 0 and value.dtype == torch.float32
    assert 0 <= value < loss(off, clean)


@every_loss
@given(shape=shapes, seed=seeds)
def test_a_small_step_down_the_gradient_loses_less(name, shape, seed):
    loss = registry.load("loss", name)()
    clean, perfect = clean_and_perfect(loss, shape, seed)
    off = (perfect + 0.3).requires_grad_()
    value = loss(off, clean)
    (gradient,) = torch.autograd.grad(value, off)
    assert gradient.shape == off.shape and gradient.isfinite().all()
    step = 1e-3 / gradient.norm()
    assert loss(off - step * gradient, clean) < value


@every_loss
def test_bfloat16_predictions_are_counted_in_float32(name):
    loss = registry.load("loss", name)()
    clean, perfect = clean_and_perfect(loss, (2, 1, 8, 8))
    off = (perfect + 0.3).bfloat16().requires_grad_()
    value = loss(off, clean)
    torch.testing.assert_close(value, loss(off.detach().float(), clean))
    (gradient,) = torch.autograd.grad(value, off)
    assert gradient.dtype == torch.bfloat16 and gradient.any()


@every_loss
def test_the_loss_is_a_mean(name):
    loss = registry.load("loss", name)()
    clean, perfect = clean_and_perfect(loss, (3, 2, 6, 5))
    once, twice = loss(perfect + 0.3, clean), loss((perfect + 0.3).repeat(2, 1, 1, 1), clean.repeat(2, 1, 1, 1))
    torch.testing.assert_close(once, twice)


@every_loss
def test_a_loss_is_frozen_and_says_whether_it_wants_logits(name):
    loss = registry.load("loss", name)()
    assert isinstance(loss.on_logits, bool)
    assert dataclasses.replace(loss) == loss
    with pytest.raises(dataclasses.FrozenInstanceError):
        loss.weight = 2


@every_loss
def test_a_number_out_of_range_is_refused_in_one_line(name):
    for field in dataclasses.fields(registry.load("loss", name)):
        with pytest.raises(UsageError, match=f"{field.name} = -1"):
            registry.build("loss", name, {field.name: -1.0})
