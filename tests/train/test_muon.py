"""Muon: orthogonal updates for inner convolutions, AdamW for the rest."""

import pytest
import torch
from torch import nn

from pellucid.train.muon import Muon, inner_convolutions, orthogonalize


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 3, 3))


@pytest.mark.parametrize("shape", [(2, 16, 144), (3, 24, 24), (1, 40, 16)])
def test_orthogonal_brings_all_singular_values_near_one_and_keeps_the_singular_vectors(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    made = orthogonalize(matrices)
    assert made.shape == matrices.shape and made.dtype == matrices.dtype
    if shape[1] != shape[2]:  # a square random matrix has singular values too near 0
        values = torch.linalg.svdvals(made)
        assert values.min() > 0.4 and values.max() < 1.4
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    exact = left @ right
    cosines = (made * exact).sum((1, 2)) / (made.norm(dim=(1, 2)) * exact.norm(dim=(1, 2)))
    assert cosines.min() > 0.9


def test_only_inner_convolutions_are_made_orthogonal():
    model = network()
    assert [weight.shape[0] for weight in inner_convolutions(model)] == [8, 16]
    optimizer = Muon(model, 0.01)
    counted = [len(group["params"]) for group in optimizer.param_groups]
    assert counted == [2, len(list(model.parameters())) - 2]


def test_all_but_inner_convolutions_move_as_adamw_moves_them():
    first, second = network(), network()
    others = [value for value in second.parameters() if not any(value is kept for kept in inner_convolutions(second))]
    ours = Muon(first, lr=0.01, weight_decay=0.1)
    theirs = torch.optim.AdamW(others, lr=0.01, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        for left, right in zip(first.parameters(), second.parameters(), strict=True):
            left.grad = torch.randn(left.shape, generator=generator)
            right.grad = left.grad.clone()
        ours.step()
        theirs.step()
    ids = {id(value) for value in others}
    for left, right in zip(first.parameters(), second.parameters(), strict=True):
        if id(right) in ids:
            torch.testing.assert_close(left, right)
        else:
            assert not torch.equal(left, right)


def test_inner_convolutions_move_as_torchs_muon_moves_their_matrices():
    """With Nesterov's momentum, the scale that matches AdamW's updates, and decoupled weight decay."""
    model = network()
    ours = Muon(model, lr=0.01, weight_decay=0.1)
    inner = inner_convolutions(model)
    matrices = [nn.Parameter(weight.detach().flatten(1).clone()) for weight in inner]
    theirs = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, nesterov=True, adjust_lr_fn="match_rms_adamw")
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        for weight, matrix in zip(inner, matrices, strict=True):
            weight.grad = torch.randn(weight.shape, generator=generator)
            matrix.grad = weight.grad.flatten(1).clone()
        before = [value.detach().clone() for value in (*inner, *matrices)]
        ours.step()
        theirs.step()
        moved = [value.detach() - old for value, old in zip((*inner, *matrices), before, strict=True)]
        for update, expected in zip(moved[: len(inner)], moved[len(inner) :], strict=True):
            # Both iterate in bfloat16, with other roundings: they differ by some 3 %, and without Nesterov by 30 %.
            assert (update.flatten(1) - expected).norm() < 0.1 * expected.norm()


def test_an_update_has_the_size_that_adamw_has():
    model = network()
    weight = inner_convolutions(model)[0]
    before = weight.detach().clone()
    for value in model.parameters():
        value.grad = torch.randn_like(value)
    Muon(model, 0.01).step()
    moved = (weight.detach() - before).square().mean().sqrt().item()
    assert moved == pytest.approx(0.2 * 0.01, rel=0.3)
