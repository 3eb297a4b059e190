"""pellucid tune: its options, its output and its files, and how it resumes."""

import json
import signal
import sys

import pytest

from pellucid.recipes.recipe import load_recipe


@pytest.fixture
def tuned(run, recipes, tmp_path):
    """Tune the tiny recipe in a folder."""

    def tuned(*arguments):
        command = ("tune", recipes["dense"], "--vary", "train.lr=0.003,0.01", "--trials", 2, "--epochs", 1)
        return run(*command, "--out", tmp_path / "study", *arguments)

    return tuned


def test_a_study_ends_with_a_table_and_a_recipe_that_trains(run, tuned, tmp_path):
    outcome = tuned("--json", tmp_path / "figures.json")
    assert outcome.status == 0, outcome
    for text in ("train.lr", "validation loss", "PSNR, dB", "best", "0.01", str(tmp_path / "study" / "best.toml")):
        assert text in outcome.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["measure"] == "validation_loss" and figures["stopped"] == "finished"
    losses = [trial["loss"] for trial in figures["trials"]]
    assert len(losses) == 2 and figures["best"]["loss"] == min(losses)
    best = load_recipe(tmp_path / "study" / "best.toml")
    assert best.train.lr == figures["best"]["values"]["train.lr"] and best.name == "dense-tuned"
    command = ("train", tmp_path / "study" / "best.toml", "--quick", "--epochs", 1, "--out", tmp_path / "run")
    assert run(*command).status == 0
    assert (tmp_path / "study" / "tune.png").exists() and (tmp_path / "study" / "study.sqlite3").exists()
    assert "already has a study: give --resume" in tuned().stderr
    again = tuned("--resume", "--json", "-")
    assert json.loads(again.stdout)["trials"] == figures["trials"]


def test_ctrl_c_keeps_finished_trials_and_says_how_to_continue(tuned, tmp_path, monkeypatch):
    pressed = []

    def press(bar, trials):
        def progress(*current):
            if not pressed:
                pressed.append(signal.raise_signal(signal.SIGINT))

        return progress

    monkeypatch.setattr("pellucid.cli.tune._progress_callback", press)
    outcome = tuned()
    assert outcome.status == 130
    assert outcome.stderr.splitlines()[-1] == (
        f"pellucid: interrupted; 1 of 2 trials are kept in {tmp_path / 'study'}; "
        "to continue: the same command with --resume"
    )
    assert "validation loss" in outcome.stdout and (tmp_path / "study" / "best.toml").exists()
    monkeypatch.undo()
    assert tuned("--resume").status == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "nothing is varied: name a key and what to try, such as --vary train.lr=1e-4..1e-2"),
        (("--vary", "train.lrr=1,2"), 'unknown key "train.lrr" (did you mean "lr"?)'),
        (("--vary", "model.width=[1],[2]"), 'has no option "width" (did you mean "widths"?)'),
        (("--vary", "train.lr=2..1"), "train.lr=2..1 is an empty range: write the lower end first"),
        (("--vary", "train.lr=1..b"), "train.lr=1..b is no range"),
        (("--vary", "train.lr=0.1"), "leaves nothing to vary"),
        (("--vary", "train.lr=a,b"), "train.lr is 'a', it must be a number"),
        (("--vary", "train.lr=1..2", "--set", "train.epoch=1"), 'unknown key "train.epoch"'),
        (("--vary", "train.lr=1..2", "--trials", "0"), "--trials"),
        (("--vary", "train.epochs=1..9", "--epochs", "2"), "--epochs sets train.epochs, which --vary varies"),
    ],
)
def test_an_invalid_request_is_one_line(refused, recipes, tmp_path, arguments, text):
    assert text in refused(2, "tune", recipes["dense"], "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_without_optuna_the_extra_is_named(refused, recipes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    line = refused(1, "tune", recipes["dense"], "--vary", "train.lr=0.1,0.2", "--out", tmp_path / "out")
    assert line == 'pellucid tune needs optuna: pip install "pellucid[tune]"'
