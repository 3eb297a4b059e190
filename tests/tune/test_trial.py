"""A trial is trained, measures after each epoch, and says how it ended whatever happens in it."""

import dataclasses
import json
import math

import pytest

from pellucid.errors import PellucidError
from pellucid.train.batches import training_sets
from pellucid.tune import trial
from pellucid.tune.trial import TrialSettings, run_trial


@pytest.fixture
def settings(recipe):
    _, held_out = training_sets(recipe)
    return TrialSettings(recipe, held_out, False, lambda epoch, measured: False, lambda progress: None, lambda: None)


def test_pruning_uses_the_validation_loss_and_the_result_has_psnr(settings, tmp_path):
    measures, calls = [], []
    observed = dataclasses.replace(
        settings, should_prune=lambda *now: measures.append(now) or False, progress=calls.append
    )
    result = run_trial(1, {"model.widths": [8]}, tmp_path, observed)
    losses = [json.loads(line)["validation_loss"] for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert measures == [(1, losses[0]), (2, losses[1])] and calls
    assert (result.state, result.number, result.epochs) == ("done", 1, 2)
    assert result.loss == min(losses)
    # The loss is the mean squared error over all pixels, PSNR the mean over images: near each other, not equal.
    assert result.psnr == pytest.approx(-10 * math.log10(result.loss or 1), abs=1)


def test_a_trial_is_pruned_after_its_epoch(settings, tmp_path):
    result = run_trial(2, {}, tmp_path, dataclasses.replace(settings, should_prune=lambda epoch, measured: True))
    assert (result.state, result.epochs, result.psnr, result.note) == ("pruned", 1, None, "")
    assert result.loss and result.loss > 0


def test_pruning_uses_psnr_if_psnr_decides(settings, tmp_path):
    measures = []
    by_psnr = dataclasses.replace(settings, by_psnr=True, should_prune=lambda *now: measures.append(now) or False)
    result = run_trial(1, {"loss.name": "l1"}, tmp_path, by_psnr)
    best = max(measured for _, measured in measures)
    assert len(measures) == 2 and result.psnr == pytest.approx(best) and 5 < best < 40


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "it does not fit into memory",
        ),
        (MemoryError(), "it does not fit into memory"),
        (RuntimeError("shapes do not fit\nand more"), "shapes do not fit"),
        (PellucidError("the training loss became nan"), "the training loss became nan"),
    ],
)
def test_each_failure_is_recorded_in_one_line(settings, tmp_path, monkeypatch, error, note):
    def failing(*arguments, **options):
        raise error

    monkeypatch.setattr(trial, "train", failing)
    result = run_trial(3, {}, tmp_path, settings)
    assert (result.state, result.note, result.loss, result.epochs) == ("failed", note, None, 0)


def test_a_trial_that_diverges_or_is_invalid_is_recorded(settings, tmp_path):
    diverged = run_trial(1, {"train.lr": 1e30, "model.output": "none"}, tmp_path / "1", settings)
    assert diverged.state == "failed" and "became" in diverged.note
    impossible = run_trial(2, {"model.image": [1, 9, 9]}, tmp_path / "2", settings)
    assert impossible.state == "failed" and "8x8" in impossible.note


def test_a_network_that_returns_nan_is_a_failure_even_with_a_finite_loss(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_psnr", lambda network, images: math.nan)
    result = run_trial(1, {}, tmp_path, settings)
    assert (result.state, result.psnr) == ("failed", None) and "not finite" in result.note
