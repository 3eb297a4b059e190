"""A trial is trained, judged after each epoch, and says how it ended whatever happens in it."""

import dataclasses
import json
import math

import pytest

from pellucid.errors import PellucidError
from pellucid.train.batches import training_sets
from pellucid.tune import trial
from pellucid.tune.trial import Setting, run_trial


@pytest.fixture
def setting(recipe):
    _, held_out = training_sets(recipe)
    return Setting(recipe, held_out, False, lambda epoch, measured: False, lambda where: None, lambda: None)


def test_a_trial_is_judged_by_its_validation_loss_and_measured_by_psnr(setting, tmp_path):
    judged, told = [], []
    watched = dataclasses.replace(setting, judge=lambda *now: judged.append(now) or False, progress=told.append)
    outcome = run_trial(1, {"model.widths": [8]}, tmp_path, watched)
    losses = [json.loads(line)["validation_loss"] for line in (tmp_path / "stats.jsonl").read_text().splitlines()]
    assert judged == [(1, losses[0]), (2, losses[1])] and told
    assert (outcome.state, outcome.number, outcome.epochs) == ("done", 1, 2)
    assert outcome.loss == min(losses)
    # The loss is the mean squared error over all pixels, PSNR the mean over images: near each other, not equal.
    assert outcome.psnr == pytest.approx(-10 * math.log10(outcome.loss or 1), abs=1)


def test_a_hopeless_trial_is_given_up_after_its_epoch(setting, tmp_path):
    outcome = run_trial(2, {}, tmp_path, dataclasses.replace(setting, judge=lambda epoch, measured: True))
    assert (outcome.state, outcome.epochs, outcome.psnr, outcome.note) == ("pruned", 1, None, "")
    assert outcome.loss and outcome.loss > 0


def test_where_psnr_decides_it_is_what_each_epoch_is_judged_by(setting, tmp_path):
    judged = []
    by_psnr = dataclasses.replace(setting, by_psnr=True, judge=lambda *now: judged.append(now) or False)
    outcome = run_trial(1, {"loss.name": "l1"}, tmp_path, by_psnr)
    best = max(measured for _, measured in judged)
    assert len(judged) == 2 and outcome.psnr == pytest.approx(best) and 5 < best < 40


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
def test_whatever_fails_is_noted_in_one_line(setting, tmp_path, monkeypatch, error, note):
    def failing(*arguments, **options):
        raise error

    monkeypatch.setattr(trial, "train", failing)
    outcome = run_trial(3, {}, tmp_path, setting)
    assert (outcome.state, outcome.note, outcome.loss, outcome.epochs) == ("failed", note, None, 0)


def test_a_trial_that_diverges_or_cannot_be_is_noted(setting, tmp_path):
    diverged = run_trial(1, {"train.lr": 1e30, "model.output": "none"}, tmp_path / "1", setting)
    assert diverged.state == "failed" and "became" in diverged.note
    impossible = run_trial(2, {"model.image": [1, 9, 9]}, tmp_path / "2", setting)
    assert impossible.state == "failed" and "8x8" in impossible.note


def test_a_network_that_returns_no_numbers_is_a_failure_though_its_loss_was_fine(setting, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "_psnr", lambda network, images: math.nan)
    outcome = run_trial(1, {}, tmp_path, setting)
    assert (outcome.state, outcome.psnr) == ("failed", None) and "not finite" in outcome.note
