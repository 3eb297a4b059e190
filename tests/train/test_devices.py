"""Training, validation, fine-tuning and the estimator run on the CPU, and on a CUDA GPU where there is one."""

import numpy as np
import pytest
import torch

from pellucid import checkpoint, registry
from pellucid.errors import UsageError
from pellucid.estimator import DenoisingAutoencoder
from pellucid.inference.fine_tuning import AdaptedNetwork
from pellucid.recipes.recipe import Recipe
from pellucid.train.batches import training_sets
from pellucid.train.loop import train
from pellucid.utils.seeding import make_generator

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits", "train_images": 200, "crop": 7, "augment": True},
    "noise": {"name": "gaussian", "sigma": 0.2},
    "model": {"name": "unet", "widths": [4, 8], "condition": True},
    "loss": {"name": "l1"},
    "train": {"epochs": 3, "batch_size": 32, "lr": 0.003, "ema": 0.9, "threads": 1, "precision": "fp32"},
}


@pytest.fixture
def recipe(device):
    return Recipe.from_dict(TABLES).with_values({"train.device": device})


@pytest.mark.parametrize("changes", [{}, {"train.precision": "bf16"}, {"train.optimizer": "muon"}])
def test_a_network_learns_on_the_device_and_its_checkpoint_is_for_any(recipe, changes, device, tmp_path):
    devices = []
    result = train(
        recipe.with_values(changes),
        tmp_path,
        on_epoch_end=lambda model, epoch: devices.append(next(model.parameters()).device.type),
    )
    assert devices == [device] * 3
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    network = checkpoint.load(result.best).networks["denoiser"]
    assert {value.device.type for value in network.parameters()} == {"cpu"}


def test_a_run_that_stopped_continues_on_the_device(recipe, tmp_path):
    class Stop(Exception):
        pass

    def stop(progress):
        if progress.step == 7:
            raise Stop

    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(Stop):
        train(recipe, tmp_path / "stopped", progress=stop)
    resumed = train(recipe, tmp_path / "stopped", resume=True)
    losses = [[entry["validation_loss"] for entry in run.history] for run in (whole, resumed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_a_run_may_be_resumed_on_another_device(recipe, tmp_path):
    first = recipe.with_values({"train.epochs": 2, "train.device": "cpu"})
    train(first, tmp_path)
    assert len(train(recipe, tmp_path, resume=True).history) == 3


@pytest.mark.parametrize("noise", [{"train.seed": 0}, {"noise.fresh": False, "data.crop": 0, "data.augment": False}])
def test_batches_are_made_on_the_device_of_the_generator(recipe, noise, device):
    for images in training_sets(recipe.with_values(noise)):
        for count in (0, 5):
            batch = images.batch(torch.arange(count), make_generator(0, "noise", device=device))
            parts = [batch.clean, batch.noisy, *([] if batch.sigma is None else [batch.sigma])]
            assert {part.device.type for part in parts} == {device} and len(batch.clean) == count


def test_a_network_is_fine_tuned_on_the_device(device, tmp_path):
    torch.manual_seed(0)
    network = registry.build("model", "unet", {"channels": 3, "widths": [4, 8], "condition": True})
    path = tmp_path / "small.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(Recipe.from_dict(TABLES), {"denoiser": network}))
    adapted = AdaptedNetwork(path, 1, device)
    planes = np.random.default_rng(0).random((1, 1, 24, 24), dtype=np.float32)
    before = adapted(planes, 0.1)
    for residuals in (None, [planes - 0.5]):
        adapted.fine_tune([planes], 0.1, residuals, 0, 3, 0, lambda fraction: None)
    after = adapted(planes, 0.1)
    assert after.shape == planes.shape and not np.array_equal(before, after)


def test_the_estimator_trains_on_the_device_and_denoises_on_the_cpu(device):
    rows = np.random.default_rng(0).random((60, 8)).astype(np.float32)
    estimator = DenoisingAutoencoder((4,), epochs=2, random_state=0, device=device).fit(rows)
    assert estimator.transform(rows).shape == rows.shape
    assert {value.device.type for value in estimator.model_.parameters()} == {"cpu"}
    with pytest.raises(ValueError, match="device='gpu' is unknown: choose one of auto, cpu, cuda, mps"):
        DenoisingAutoencoder(device="gpu").fit(rows)


def test_auto_is_the_cpu_where_there_is_no_gpu_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    results = []
    for device in ("auto", "cpu"):
        best = train(Recipe.from_dict(TABLES).with_values({"train.device": device}), tmp_path / device).best
        results.append(checkpoint.load(best).networks["denoiser"].state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


def test_a_device_that_is_absent_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match='device = "cuda": torch finds no such device here'):
        train(Recipe.from_dict(TABLES).with_values({"train.device": "cuda"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
