"""The validation loss is the mean over all images, however they are split into batches; overfitting is recognized."""

import pytest
import torch

from pellucid.recipes.recipe import Recipe
from pellucid.train import validation
from pellucid.train.batches import training_sets
from pellucid.train.step import TrainingStep
from pellucid.train.validation import describe_overfitting, validation_loss

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
    step = TrainingStep.from_recipe(RECIPE, model)
    found = [validation_loss(model, step, images, RECIPE.train)]
    assert not model.training
    batch = images.as_batch()
    with torch.no_grad():
        errors = (model(batch.noisy) - batch.clean).square().flatten(1).mean(1)
    monkeypatch.setattr(validation, "BATCH_SIZE", 7)
    found.append(validation_loss(model, step, images, RECIPE.train))
    assert found == pytest.approx([errors.mean().item()] * 2, rel=1e-5)
    assert validation_loss(model, step, images, RECIPE.train, 5) == pytest.approx(errors[:5].mean().item(), rel=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())


def history(*losses: tuple[float, float]) -> list[dict[str, float]]:
    pairs = enumerate(losses, 1)
    return [{"epoch": epoch, "train_loss": train, "validation_loss": valid} for epoch, (train, valid) in pairs]


def test_a_rising_validation_loss_over_a_falling_training_loss_overfits():
    message = describe_overfitting(history((0.5, 0.5), (0.3, 0.4), (0.1, 0.6)))
    assert message is not None
    assert "0.6000, up from 0.4000 in epoch 2" in message


def test_falling_losses_are_no_overfitting():
    assert describe_overfitting(history((0.5, 0.5), (0.4, 0.41), (0.35, 0.4))) is None
    assert describe_overfitting(history((0.5, 0.5))) is None
    assert describe_overfitting([]) is None


def test_a_training_loss_above_the_validation_loss_is_not_overfitting():
    assert describe_overfitting(history((0.9, 0.2), (0.8, 0.3))) is None
