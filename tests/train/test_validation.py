"""The validation loss is the mean over all images, however they are cut into batches."""

import pytest
import torch

from pellucid.recipes.recipe import Recipe
from pellucid.train import validation
from pellucid.train.batches import training_sets
from pellucid.train.step import Step
from pellucid.train.validation import validation_loss

RECIPE = Recipe.from_dict(
    {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits", "train_images": 100, "validation": 0.5},
        "noise": {"name": "gaussian"},
        "model": {"name": "conv", "widths": [2, 2], "norm": "batch"},
        "loss": {"name": "mse"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.01, "precision": "fp32"},
    }
)


def test_it_is_the_mean_over_the_images_and_leaves_the_network_as_it_was(monkeypatch):
    torch.manual_seed(0)
    model = RECIPE.build("model").train()
    images = training_sets(RECIPE)[1]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    step = Step.of(RECIPE, model)
    found = [validation_loss(model, step, images, RECIPE.train)]
    assert not model.training
    batch = images.whole()
    with torch.no_grad():
        errors = (model(batch.noisy) - batch.clean).square().flatten(1).mean(1)
    monkeypatch.setattr(validation, "AT_ONCE", 7)
    found.append(validation_loss(model, step, images, RECIPE.train))
    assert found == pytest.approx([errors.mean().item()] * 2, rel=1e-5)
    assert validation_loss(model, step, images, RECIPE.train, 5) == pytest.approx(errors[:5].mean().item(), rel=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())
