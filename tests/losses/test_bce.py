import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from pellucid.losses.bce import BCE


@given(count=st.integers(1, 131), scale=st.sampled_from([0.01, 1.0, 30.0, 1000.0]), seed=st.integers(0, 2**31))
def test_it_equals_numpys_in_float64(count, scale, seed):
    rng = np.random.default_rng(seed)
    logits, clean = (scale * rng.standard_normal(count)).astype(np.float32), rng.random(count, dtype=np.float32)
    wide = logits.astype(np.float64)
    expected = (np.logaddexp(0, wide) - wide * clean).mean()
    measured = BCE()(torch.from_numpy(logits), torch.from_numpy(clean)).item()
    assert measured == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(shape=st.tuples(*[st.integers(1, 6)] * 4), seed=st.integers(0, 2**31))
def test_the_gradient_equals_torchs(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = (5 * torch.randn(shape, generator=generator)).requires_grad_()
    clean = torch.rand(shape, generator=generator)
    (ours,) = torch.autograd.grad(3 * BCE()(logits, clean), logits)
    (theirs,) = torch.autograd.grad(3 * functional.binary_cross_entropy_with_logits(logits, clean), logits)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_any_memory_layout_gives_the_same():
    logits, clean = torch.randn(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    laid = logits.to(memory_format=torch.channels_last).requires_grad_()
    loss = BCE()(laid, clean)
    torch.testing.assert_close(loss, BCE()(logits, clean))
    torch.testing.assert_close(torch.autograd.grad(loss, laid)[0], (logits.sigmoid() - clean) / 120)


def test_certain_and_right_costs_nothing_and_a_diverged_network_shows():
    clean = torch.tensor([0.0, 1.0])
    assert BCE()(torch.tensor([-200.0, 200.0]), clean) == 0
    assert BCE()(torch.tensor([200.0, -200.0]), clean) == 200
    assert BCE()(torch.tensor([float("nan"), 0.0]), clean).isnan()
