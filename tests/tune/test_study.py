"""A study tries the requested values, resumes where it stopped, and writes the best recipe."""

import json
import math
import signal
import sqlite3
import tomllib

import optuna
import pytest

from pellucid import checkpoint
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.recipes.recipe import Recipe, load_recipe
from pellucid.tune import study
from pellucid.tune.space import read_space
from pellucid.tune.storage import FILE
from pellucid.tune.study import tune

RATES = read_space(["train.lr=1e-4..1e-1"])


def saved_networks(folder):
    """The trials whose networks are still there."""
    return sorted(path.parent.name for path in folder.glob("trials/*/best.safetensors"))


def test_the_best_values_become_a_recipe_that_trains_for_its_full_length(recipe, stand_in, tmp_path):
    calls = []
    found = tune(recipe, RATES, tmp_path, trials=12, epochs=1, progress=lambda *call: calls.append(call))
    assert found.stopped == "finished" and len(found.trials) == 12
    assert [trial.number for trial in found.trials] == list(range(1, 13))
    assert stand_in[0] == {"train.lr": 0.003}  # the recipe's own
    done = [trial for trial in found.trials if trial.state == "done"]
    assert found.best is min(done, key=lambda trial: trial.loss or 0)
    best = load_recipe(found.recipe)
    assert best.name == "small-tuned" and best.train.epochs == 2
    assert best == recipe.with_values(
        {"name": "small-tuned", "origin.deviations": list(best.origin.deviations), **found.best.values}
    )
    assert found.plot.read_bytes().startswith(b"\x89PNG")
    assert saved_networks(tmp_path) == [f"{found.best.number:03d}"]
    assert not list(tmp_path.glob("trials/*/last.safetensors"))


def test_the_recipe_says_what_was_tuned(recipe, stand_in, tmp_path):
    found = tune(recipe, read_space(["train.lr=0.5,0.0032"]), tmp_path, trials=2)
    assert load_recipe(found.recipe).origin.deviations == ("train.lr = 0.0032, tuned (was 0.003)",)


def test_trials_learn_from_those_before_and_bad_ones_are_pruned(recipe, stand_in, tmp_path):
    found = tune(recipe, RATES, tmp_path, trials=24)
    states = [trial.state for trial in found.trials]
    assert "pruned" in states[5:] and "pruned" not in states[:4]
    distances = [abs(math.log10(values["train.lr"]) + 2.5) for values in stand_in]
    assert sum(distances[-8:]) < sum(distances[1:9])
    assert found.best.loss == min(trial.loss or 0 for trial in found.trials if trial.state == "done")


def test_nothing_is_pruned_if_the_length_of_trials_is_varied(recipe, stand_in, tmp_path):
    space = read_space(["train.lr=1e-4..1e-1", "train.epochs=2..20"])
    found = tune(recipe, space, tmp_path, trials=12)
    assert {trial.state for trial in found.trials} == {"done"}
    assert len({trial.values["train.epochs"] for trial in found.trials}) > 2


def test_no_values_are_tried_twice_and_the_study_ends_after_all_of_them(recipe, stand_in, tmp_path):
    space = read_space(["train.lr=0.001,0.002", "train.batch_size=8,16,32"])
    found = tune(recipe, space, tmp_path, trials=20)
    assert len(stand_in) == 6 and len({json.dumps(values) for values in stand_in}) == 6
    assert found.stopped == "finished" and len(found.trials) == 6


def test_a_study_resumes_where_it_stopped(recipe, stand_in, tmp_path):
    first = tune(recipe, RATES, tmp_path, trials=3)
    with pytest.raises(UsageError, match="already has a study: give --resume to continue it, or another --out"):
        tune(recipe, RATES, tmp_path, trials=6)
    found = tune(recipe, RATES, tmp_path, trials=6, resume=True)
    assert found.trials[:3] == first.trials and len(stand_in) == 6
    assert len({values["train.lr"] for values in stand_in}) == 6
    again = tune(recipe, RATES, tmp_path, trials=6, resume=True)
    assert again == found and len(stand_in) == 6


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"train.patience": 3}, {}, "another recipe"),
        ({}, {"epochs": 1}, "another recipe"),
        ({}, {"vary": read_space(["train.lr=1e-4..1"])}, "another --vary"),
    ],
)
def test_a_study_with_another_definition_is_refused(recipe, stand_in, tmp_path, change, options, message):
    tune(recipe, RATES, tmp_path, trials=1)
    with pytest.raises(
        UsageError, match=f"was started with {message}: continue it with the same one, or give another --out"
    ):
        tune(recipe.with_values(change), **{"vary": RATES, **options}, out=tmp_path, trials=2, resume=True)


def test_a_failed_trial_is_recorded_and_the_study_continues(recipe, stand_in, tmp_path):
    found = tune(recipe, read_space(["train.lr=0.001,0.002,0.003,1e30"]), tmp_path, trials=4)
    (failed,) = [trial for trial in found.trials if trial.state == "failed"]
    assert failed.values == {"train.lr": 1e30} and failed.note == "the training loss became nan"
    assert len(found.trials) == 4 and found.best.state == "done"


def test_a_study_whose_trials_all_fail_ends_early_and_says_why(recipe, stand_in, tmp_path):
    with pytest.raises(PellucidError, match="the first 3 trials all failed: the training loss became nan"):
        tune(recipe, read_space(["train.lr=2..9"]), tmp_path)
    assert len(stand_in) == 3 and not (tmp_path / "best.toml").exists()


def test_a_time_limit_ends_a_study(recipe, stand_in, tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(study.time, "monotonic", lambda: next(clock))
    found = tune(recipe, RATES, tmp_path, trials=100, minutes=1)
    assert found.stopped == "time" and 1 <= len(found.trials) < 5


def test_psnr_decides_if_the_loss_is_varied(recipe, stand_in, tmp_path):
    space = read_space(["train.lr=1e-4..1e-1", "loss.name=mse,l1"])
    found = tune(recipe, space, tmp_path, trials=6)
    assert found.by_psnr
    assert found.best.psnr == max(trial.psnr or 0 for trial in found.trials if trial.state == "done")
    classifier = {"model": {"name": "classifier", "image": [1, 8, 8]}, "objective": {"name": "classification"}}
    reader = Recipe.from_dict({**recipe.to_dict(), **classifier})
    with pytest.raises(UsageError, match=r"trials are compared by PSNR, and recipe .* vary keys of"):
        tune(reader, read_space(["noise.sigma=0.1,0.2"]), tmp_path / "reader")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vary": {}}, "nothing is varied"),
        ({"trials": 0}, "trials is 0"),
        ({"minutes": -1}, "minutes is -1"),
        ({"epochs": 0}, "epochs is 0"),
        ({"vary": read_space(["train.epochs=1..9"]), "epochs": 3}, "--epochs sets train.epochs, which --vary varies"),
    ],
)
def test_an_invalid_request_is_refused_and_leaves_nothing(recipe, tmp_path, options, message):
    with pytest.raises(UsageError) as refusal:
        tune(recipe, **{"vary": RATES, **options}, out=tmp_path / "out")
    assert message in str(refusal.value) and not (tmp_path / "out").exists()


def test_quick_needs_a_table_and_missing_data_is_named(recipe, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"has no \[quick\] table: give --epochs instead"):
        tune(Recipe.from_dict({**recipe.to_dict(), "quick": {}}), RATES, tmp_path / "out", quick=True)
    absent = recipe.with_values({"data.name": "folder", "data.path": str(tmp_path / "gone")})
    with pytest.raises(PellucidError, match="gone"):
        tune(absent, RATES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trial_that_a_killed_process_left_runs_again_under_its_number(recipe, stand_in, tmp_path, monkeypatch):
    class Killed(BaseException):
        """Ends the process like a signal that cannot be caught."""

    def kill(number, values, folder, settings):
        killed.append(values)
        raise Killed

    killed = []
    tune(recipe, RATES, tmp_path, trials=2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(study, "run_trial", kill)
        tune(recipe, RATES, tmp_path, trials=4, resume=True)
    found = tune(recipe, RATES, tmp_path, trials=4, resume=True)
    assert [trial.number for trial in found.trials] == [1, 2, 3, 4]
    assert stand_in[2:3] == killed and len(stand_in) == 4


def test_a_study_of_format_1_is_refused_with_the_command_that_converts_it(recipe, stand_in, tmp_path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / FILE}")
    old = optuna.create_study(storage=storage, study_name="tune", direction="minimize")
    old.set_user_attr("definition", {"recipe": {}, "--vary": {}})
    storage.remove_session()
    storage.engine.dispose()
    with pytest.raises(OldFormat, match=r"is a study of format 1: pellucid convert .* turns it into format 2"):
        tune(recipe, RATES, tmp_path, trials=1, resume=True)
    assert not stand_in


@pytest.mark.parametrize(
    ("measures", "shown"),
    [
        ([0.3, 0.31, 0.35, 5000.0], (0.3, 0.35)),
        ([0.3, 0.3, 0.3], (0.3, 0.3)),
        ([0.5], (0.5, 0.5)),
        ([30.0, 29.0, 28.0, 3.0], (28.0, 30.0)),
    ],
)
def test_outliers_do_not_squeeze_the_rest_of_the_plot(measures, shown):
    low, high = study.plot_limits(measures, measures[0])
    margin = 0.07 * (shown[1] - shown[0]) or 0.01
    assert (low, high) == pytest.approx((shown[0] - margin, shown[1] + margin))


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(200), "another"])
def test_a_file_that_is_no_study_is_an_error_of_one_line(recipe, stand_in, tmp_path, content):
    if content == "another":
        with sqlite3.connect(tmp_path / FILE) as database:
            database.execute("create table version_info (a int)")
        database.close()
    else:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(PellucidError, match="cannot use the study") as error:
        tune(recipe, RATES, tmp_path, trials=1, resume=True)
    assert "\n" not in str(error.value) and not stand_in


def test_two_processes_do_not_share_a_study(recipe, stand_in, tmp_path):
    def meddle(number, *rest):
        with pytest.raises(PellucidError, match="another process is tuning in"):
            tune(recipe, RATES, tmp_path, trials=2, resume=True)
        return run(number, *rest)

    run = study.run_trial
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "run_trial", meddle)
        assert len(tune(recipe, RATES, tmp_path, trials=1).trials) == 1


def interrupting(*moments):
    """Return a progress callback that presses Ctrl-C when it is called for the nth time."""
    calls = []

    def progress(*call):
        calls.append(call)
        if len(calls) in moments:
            signal.raise_signal(signal.SIGINT)

    return progress


def losses(folder, number):
    lines = (folder / "trials" / f"{number:03d}" / "stats.jsonl").read_text().splitlines()
    return [json.loads(line)["validation_loss"] for line in lines]


@pytest.fixture
def whole(recipe, tmp_path):
    """A study of two trials that nothing interrupts."""
    tune(recipe, read_space(["train.lr=0.01,0.003"]), tmp_path / "whole", trials=2)
    return tmp_path / "whole"


def test_ctrl_c_ends_a_study_after_the_current_trial(recipe, whole, tmp_path):
    out = tmp_path / "cut"
    found = tune(recipe, read_space(["train.lr=0.01,0.003"]), out, trials=2, progress=interrupting(3))
    assert found.stopped == "interrupted" and len(found.trials) == 1
    assert losses(out, 1) == losses(whole, 1)
    assert (out / "best.toml").exists()


def test_a_second_ctrl_c_ends_it_at_once_and_the_trial_can_be_resumed(recipe, whole, tmp_path):
    out, space = tmp_path / "cut", read_space(["train.lr=0.01,0.003"])
    with pytest.raises(KeyboardInterrupt, match=r"0 of 2 trials are kept in .* the same command with --resume"):
        tune(recipe, space, out, trials=2, progress=interrupting(2, 4))
    assert (out / "trials" / "001" / "last.safetensors").exists()
    found = tune(recipe, space, out, trials=2, resume=True)
    assert [trial.number for trial in found.trials] == [1, 2]
    for number in (1, 2):
        assert losses(out, number) == losses(whole, number)
    trained = checkpoint.load(out / "trials" / f"{found.best.number:03d}" / "best.safetensors")
    assert trained.recipe.train.lr == found.best.values["train.lr"]
    assert tomllib.loads(found.recipe.read_text())["train"]["lr"] == found.best.values["train.lr"]
