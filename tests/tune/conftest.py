"""A tiny recipe on digits, and a replacement for training that computes a formula."""

import math

import pytest

from pellucid.recipes.recipe import Recipe
from pellucid.tune import study
from pellucid.tune.trial import TrialResult

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits", "train_images": 60},
    "noise": {"name": "gaussian", "sigma": 0.3},
    "model": {"name": "dense", "image": [1, 8, 8], "widths": [16]},
    "loss": {"name": "mse"},
    "train": {"epochs": 2, "batch_size": 16, "lr": 0.003, "threads": 1, "precision": "fp32"},
    "quick": {"train.epochs": 1},
}


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.from_dict(TABLES)


@pytest.fixture
def stand_in(monkeypatch):
    """Replace training by a formula: the loss grows with the distance of log10(lr) from -2.5; returns what was run."""
    ran = []

    def instead(number, values, folder, settings):
        ran.append(values)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("best.safetensors", "last.safetensors"):
            (folder / name).write_text(str(number))
        rate = values.get("train.lr", 0.003)
        if rate > 1:
            return TrialResult(number, values, "failed", None, None, 0, 0.1, "the training loss became nan")
        loss = abs(math.log10(rate) + 2.5) + 0.01 * number
        for epoch in (1, 2, 3):
            if settings.should_prune(epoch, loss + 1 / epoch):
                return TrialResult(number, values, "pruned", loss + 1 / epoch, None, epoch, 0.1)
        return TrialResult(number, values, "done", loss, 20 - loss if settings.held_out else None, 3, 0.1)

    monkeypatch.setattr(study, "run_trial", instead)
    return ran
