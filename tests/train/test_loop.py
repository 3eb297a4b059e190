"""Training: one run equals an interrupted and resumed one to the bit; every end leaves usable files."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from pellucid import checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.loop import train
from pellucid.train.step import TrainingStep

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits", "train_images": 300},
    "noise": {"name": "gaussian", "sigma": 0.3},
    "model": {"name": "conv", "widths": [4, 8], "norm": "batch"},
    "loss": {"name": "bce"},
    "train": {
        "epochs": 3,
        "batch_size": 64,
        "lr": 0.003,
        "ema": 0.9,
        "schedule": "cosine",
        "threads": 1,
        "precision": "fp32",
    },
    "classifier": {"name": "classifier", "image": [1, 8, 8], "widths": [16]},
}


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.from_dict(TABLES)


def same(first, second) -> bool:
    left, right = load_file(first), load_file(second)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Stop(Exception):
    """Raised in place of a kill."""


def killed_at(step: int):
    def progress(where):
        if where.step == step:
            raise Stop

    return progress


def test_a_run_learns_and_leaves_its_files(recipe, tmp_path):
    result = train(recipe, tmp_path)
    losses = [entry["train_loss"] for entry in result.history]
    assert losses[-1] < losses[0]
    assert result.stopped == "finished"
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors", "last.safetensors", "recipe.toml", "stats.jsonl",
    }  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert lines == result.history
    loaded = checkpoint.load(result.best)
    assert loaded.recipe == result.recipe
    assert loaded.networks["denoiser"](torch.zeros(1, 1, 9, 11)).shape == (1, 1, 9, 11)


@pytest.mark.parametrize("step", [1, 4, 5, 7, 10, 14])
def test_a_run_killed_and_resumed_equals_the_uninterrupted_one(recipe, tmp_path, step, monkeypatch):
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(Stop):
        train(recipe, tmp_path / "killed", progress=killed_at(step))
    resumed = train(recipe, tmp_path / "killed", resume=True)
    for name in ("best.safetensors", "last.safetensors"):
        assert same(tmp_path / "whole" / name, tmp_path / "killed" / name)
    for left, right in zip(whole.history, resumed.history, strict=True):
        assert left["train_loss"] == right["train_loss"]
        assert left["validation_loss"] == right["validation_loss"]


def test_the_training_loss_is_the_mean_over_all_samples(recipe, tmp_path, monkeypatch):
    """Of 270 images, the last batch of 64 holds 14: each counts as much as any other."""
    steps, taken = [], TrainingStep.__call__

    def recorded(step, batch):
        loss = taken(step, batch)
        steps.append((loss, len(batch.clean)))
        return loss

    monkeypatch.setattr(TrainingStep, "__call__", recorded)
    shown = []
    result = train(recipe, tmp_path, progress=lambda where: shown.append(where.train_loss))
    assert [count for _, count in steps] == 3 * [64, 64, 64, 64, 14]
    for epoch, entry in enumerate(result.history):
        losses = steps[5 * epoch : 5 * epoch + 5]
        expected = sum(loss * count for loss, count in losses) / 270
        assert entry["train_loss"] == pytest.approx(expected, rel=1e-9)
        assert shown[5 * epoch + 4] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("step", [9, 14, 20])
def test_a_resumed_run_stops_early_where_the_uninterrupted_one_does(recipe, tmp_path, monkeypatch, step):
    """The loss falls in the first of the epochs of 5 steps and never after: patience ends the run after the fifth."""
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    monkeypatch.setattr("pellucid.train.loop.validation_loss", lambda *arguments: 0.5)
    patient = recipe.with_values({"train.epochs": 9, "train.patience": 4})
    with pytest.raises(Stop):
        train(patient, tmp_path, progress=killed_at(step))
    result = train(patient, tmp_path, resume=True)
    assert result.stopped == "early" and len(result.history) == 5


def test_the_time_of_an_epoch_counts_what_passed_before_a_restart(recipe, tmp_path, monkeypatch):
    """Each step takes a second by a clock that stands still otherwise."""
    clock, taken = [0.0], TrainingStep.__call__

    def slow(step, batch):
        clock[0] += 1
        return taken(step, batch)

    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    monkeypatch.setattr("pellucid.train.loop.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(TrainingStep, "__call__", slow)
    with pytest.raises(Stop):
        train(recipe, tmp_path, progress=killed_at(8))
    history = train(recipe, tmp_path, resume=True).history
    assert [entry["seconds"] for entry in history] == [5, 5, 5]
    assert [entry["samples_per_second"] for entry in history] == [54, 54, 54]


def test_fixed_noise_is_the_same_after_a_restart(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    fixed = recipe.with_values({"noise.fresh": False})
    train(fixed, tmp_path / "whole")
    with pytest.raises(Stop):
        train(fixed, tmp_path / "killed", progress=killed_at(6))
    train(fixed, tmp_path / "killed", resume=True)
    assert same(tmp_path / "whole/best.safetensors", tmp_path / "killed/best.safetensors")


def test_a_finished_run_resumes_to_itself(recipe, tmp_path):
    first = train(recipe, tmp_path)
    again = train(recipe, tmp_path, resume=True)
    assert again.history == first.history


def test_a_used_folder_is_not_written_over(recipe, tmp_path):
    train(recipe, tmp_path)
    with pytest.raises(UsageError, match="holds a run already: give --resume"):
        train(recipe, tmp_path)
    with pytest.raises(UsageError, match=r"was started with another \[train\]"):
        train(recipe.with_values({"train.lr": 0.1}), tmp_path, resume=True)


def test_minutes_become_epochs_that_a_resumed_run_keeps(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    train(recipe, tmp_path / "whole")
    by_minutes = recipe.with_values({"train.minutes": 0.5, "train.epochs": 1})
    counts = iter([3, 8])
    monkeypatch.setattr(
        "pellucid.train.autotune.epochs_from_minutes",
        lambda recipe, *arguments: recipe.with_values({"train.epochs": next(counts)}),
    )
    with pytest.raises(Stop):
        train(by_minutes, tmp_path / "killed", progress=killed_at(6))
    assert "epochs = 3\n" in (tmp_path / "killed/recipe.toml").read_text()
    resumed = train(by_minutes, tmp_path / "killed", resume=True)
    assert len(resumed.history) == resumed.recipe.train.epochs == 3
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "killed/last.safetensors")


def test_a_run_of_short_epochs_is_resumed_in_one_of_them(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    monkeypatch.setattr("pellucid.train.autotune._epochs_and_steps", lambda *arguments: (3, 2))
    by_minutes = recipe.with_values({"train.minutes": 0.5})
    whole = train(by_minutes, tmp_path / "whole")
    assert [entry["step"] for entry in whole.history] == [2, 4, 6]
    with pytest.raises(Stop):
        train(by_minutes, tmp_path / "killed", progress=killed_at(3))
    monkeypatch.setattr("pellucid.train.autotune._epochs_and_steps", lambda *arguments: (9, 0))
    autotuned = (tmp_path / "killed/recipe.toml").read_text()
    assert "epochs = 3\n" in autotuned and "steps = 2\n" in autotuned
    train(by_minutes, tmp_path / "killed", resume=True)
    assert same(tmp_path / "whole/last.safetensors", tmp_path / "killed/last.safetensors")


def test_a_run_killed_before_its_first_step_keeps_what_was_autotuned(recipe, tmp_path, monkeypatch):
    def killed(state, run):
        raise Stop

    monkeypatch.setattr("pellucid.train.loop._loop", killed)
    with pytest.raises(Stop):
        train(recipe, tmp_path)
    monkeypatch.undo()
    automatic = recipe.with_values({"train.threads": 0, "train.precision": "auto"})
    assert train(automatic, tmp_path, resume=True).recipe == recipe
    whole = tmp_path / "whole"
    train(recipe, whole)
    assert same(whole / "last.safetensors", tmp_path / "last.safetensors")


def test_the_callback_at_the_end_of_an_epoch_gets_the_network_and_changes_nothing(recipe, tmp_path):
    seen = []

    def on_epoch_end(model, epoch):
        torch.rand(3)
        assert not model.training and not torch.is_grad_enabled()
        best = checkpoint.load(tmp_path / "watched/best.safetensors").networks["denoiser"]
        image = torch.full((1, 1, 9, 9), 0.5)
        seen.append((epoch, torch.equal(best(image), model(image))))

    result = train(recipe, tmp_path / "watched", on_epoch_end=on_epoch_end)
    losses = [entry["validation_loss"] for entry in result.history]
    assert seen == [(epoch, losses[epoch - 1] == min(losses[:epoch])) for epoch in (1, 2, 3)]
    train(recipe, tmp_path / "alone")
    assert same(tmp_path / "watched/last.safetensors", tmp_path / "alone/last.safetensors")


def test_early_stopping_keeps_the_best_epoch(recipe, tmp_path):
    stubborn = recipe.with_values({"train.epochs": 50, "train.patience": 2, "train.lr": 1e-9, "train.ema": 0.0})
    result = train(stubborn, tmp_path)
    assert result.stopped == "early"
    assert len(result.history) < 50


def test_a_diverging_run_stops_with_the_step_and_the_remedy(recipe, tmp_path):
    wild = recipe.with_values({"train.lr": 1e30, "model.norm": "none", "loss.name": "mse", "model.output": "none"})
    with pytest.raises(PellucidError, match=r"the training loss became (nan|inf) at step \d+: try a lower train.lr"):
        train(wild, tmp_path)


def test_a_classifier_trains_in_the_same_loop(recipe, tmp_path):
    result = train(recipe.for_classifier(seed=0), tmp_path)
    assert "classifier" in checkpoint.load(result.best).networks


def test_images_that_do_not_fit_the_model_are_refused(recipe, tmp_path):
    dense = recipe.with_values({"model": {"name": "dense", "widths": [8]}})
    with pytest.raises(UsageError, match='an image of data "digits" is 8x8, the model takes 28x28 alone'):
        train(dense, tmp_path)
    assert not any(tmp_path.iterdir())


def test_crops_that_do_not_fit_the_model_are_refused(recipe, tmp_path):
    dense = {"model": {"name": "dense", "image": [1, 8, 8], "widths": [8]}, "data.crop": 6}
    with pytest.raises(UsageError, match=r"an image of data\.crop = 6 is 6x6, the model takes 8x8 alone"):
        train(recipe.with_values(dense), tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("schedule", "hold_fraction", "warmup"),
    [
        ("constant", 0, 0),
        ("constant", 0, 4),
        ("cosine", 0, 0),
        ("cosine", 0.5, 0),
        ("cosine", 0.5, 4),
        ("cosine", 0, 4),
    ],
)
def test_the_rate_climbs_stays_and_falls(recipe, tmp_path, schedule, hold_fraction, warmup):
    """With one step an epoch the history has the rate of every step."""
    values = {
        "schedule": schedule,
        "hold_fraction": hold_fraction,
        "warmup": warmup,
        "epochs": 12,
        "batch_size": 300,
        "lr": 0.01,
    }
    history = train(recipe.with_values({f"train.{name}": value for name, value in values.items()}), tmp_path).history
    rates = [entry["lr"] for entry in history]
    for step, rate in enumerate(rates):
        climb = min(1, (step + 1) / (warmup + 1))
        fall = max(0, step / 12 - hold_fraction) / (1 - hold_fraction) if schedule == "cosine" else 0
        assert rate == pytest.approx(0.01 * climb * math.cos(math.pi / 2 * fall) ** 2)
    assert warmup == 0 or rates[0] == pytest.approx(0.002)
    assert schedule == "constant" or 0 < rates[-1] < 0.001


def test_threads_and_precision_are_autotuned(recipe, tmp_path):
    open_recipe = recipe.with_values({"train.threads": 0, "train.precision": "auto", "train.epochs": 1})
    autotuned = train(open_recipe, tmp_path).recipe.train
    assert autotuned.threads >= 1
    assert autotuned.precision in ("fp32", "bf16")


def test_bf16_trains_close_to_fp32(recipe, tmp_path):
    full = train(recipe, tmp_path / "fp32").history[-1]["train_loss"]
    half = train(recipe.with_values({"train.precision": "bf16"}), tmp_path / "bf16").history[-1]["train_loss"]
    assert half == pytest.approx(full, rel=0.02)


def test_tensorboard_receives_the_curves(recipe, tmp_path):
    pytest.importorskip("tensorboard")
    train(recipe.with_values({"train.epochs": 1}), tmp_path, tensorboard=True)
    assert any((tmp_path / "tensorboard").iterdir())


def test_ctrl_c_leaves_a_usable_checkpoint(tmp_path):
    code = (
        "import json, sys; from pathlib import Path\n"
        "from pellucid.recipes.recipe import Recipe; from pellucid.train.loop import train\n"
        "recipe = Recipe.from_dict(json.loads(sys.argv[1]))\n"
        "print(train(recipe, Path(sys.argv[2]), progress=lambda where: print(where.step, flush=True)).stopped)"
    )
    tables = json.dumps(TABLES | {"train": TABLES["train"] | {"epochs": 100_000}})
    run = subprocess.Popen([sys.executable, "-c", code, tables, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    for line in run.stdout:
        if int(line) >= 2:
            break
    time.sleep(0.1)
    os.kill(run.pid, signal.SIGINT)
    printed = run.communicate(timeout=60)[0]
    assert printed.splitlines()[-1] == "interrupted"
    assert "denoiser" in checkpoint.load(tmp_path / "best.safetensors").networks
