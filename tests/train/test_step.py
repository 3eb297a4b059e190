"""A training step is forward, backward, clip and update, and nothing else."""

import pytest
import torch
from torch import nn

from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe
from pellucid.train.muon import Muon
from pellucid.train.step import TrainingStep, make_optimizer

RECIPE = Recipe.from_dict(
    {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits"},
        "model": {"name": "conv", "widths": [4, 8], "output": "none"},
        "loss": {"name": "mse"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.01, "threads": 1, "precision": "fp32"},
    }
)


def batch(count=8):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(count, 1, 8, 8, generator=generator)
    return TrainingBatch(clean, clean + 0.1 * torch.randn(count, 1, 8, 8, generator=generator), None, None)


def step_of(**values):
    torch.manual_seed(0)
    recipe = RECIPE.with_values({f"train.{name}": value for name, value in values.items()})
    return TrainingStep.from_recipe(recipe, recipe.build("model"))


def weights(step):
    return torch.cat([value.detach().flatten() for value in step.model.parameters()])


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_it_takes_the_step_that_plain_torch_takes(clip):
    step, by_hand = step_of(gradient_clip=clip), step_of()
    images = batch()
    optimizer = torch.optim.Adam(by_hand.model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(by_hand.model(images.noisy), images.clean)
        loss.backward()
        norm = torch.cat(
            [value.grad.flatten() for value in by_hand.model.parameters() if value.grad is not None]
        ).norm()
        for value in by_hand.model.parameters():
            if clip and value.grad is not None:
                value.grad *= min(1.0, clip / (norm.item() + 1e-6))
        optimizer.step()
        assert step(images) == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(weights(step), weights(by_hand), rtol=1e-3, atol=1e-5)


def test_an_empty_batch_moves_nothing():
    step = step_of()
    before = weights(step)
    assert step(batch(0)) == 0.0
    assert torch.equal(weights(step), before)


def test_the_forward_pass_runs_in_bfloat16_where_asked():
    seen = []
    step = step_of(precision="bf16")
    step.model.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    loss = step(batch())
    assert seen == [True] and loss == pytest.approx(step_of()(batch()), rel=0.05)
    assert all(value.dtype == torch.float32 for value in step.model.parameters())


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("muon", Muon)])
def test_the_optimizer_is_the_recipes(name, kind):
    options = RECIPE.with_values({"train.optimizer": name, "train.weight_decay": 0.1}).train
    made = make_optimizer(RECIPE.build("model"), options)
    assert type(made) is kind
    assert all(group["lr"] == 0.01 and group["weight_decay"] == 0.1 for group in made.param_groups)
