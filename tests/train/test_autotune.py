"""Values that the recipe names are kept, the others are timed, and the main process of a group decides for all."""

import pytest
import torch

from pellucid.recipes.recipe import Recipe
from pellucid.train import autotune
from pellucid.train.batches import training_sets
from pellucid.train.distributed import ProcessGroup

RECIPE = Recipe.from_dict(
    {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits", "train_images": 60},
        "noise": {"name": "gaussian"},
        "model": {"name": "conv", "widths": [2, 2]},
        "loss": {"name": "bce"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.01},
    }
)


@pytest.fixture
def autotuned(monkeypatch):
    """Autotune a recipe on a machine of eight cores, on which four threads and bfloat16 are the fastest."""
    tried = []

    def seconds(recipe, model, images, best):
        train = recipe.train
        tried.append((train.threads, train.precision))
        return abs(train.threads - 4) + (train.precision == "fp32") / 2

    def autotuned(group=None, **values):
        recipe = RECIPE.with_values({f"train.{name}": value for name, value in values.items()})
        train = autotune.autotune(recipe, recipe.build("model"), training_sets(recipe)[0], group).train
        return (train.threads, train.precision), tried

    monkeypatch.setattr(autotune, "_step_seconds", seconds)
    monkeypatch.setattr(autotune, "num_cores", lambda: 8)
    return autotuned


def test_the_fastest_is_chosen(autotuned):
    chosen, tried = autotuned()
    assert chosen == (4, "bf16")
    assert tried == [(threads, precision) for threads in (1, 4, 8) for precision in ("fp32", "bf16")]


def test_named_values_are_kept_and_not_timed(autotuned):
    assert autotuned(threads=3, precision="fp32") == ((3, "fp32"), [])
    assert autotuned(threads=3)[0] == (3, "bf16")
    assert autotuned(precision="fp32")[0] == (4, "fp32")


def test_processes_take_their_part_of_the_cores_and_follow_the_main_one(autotuned, monkeypatch):
    values = []
    monkeypatch.setattr(ProcessGroup, "broadcast", lambda self, value: values.append(value) or 1)
    chosen, tried = autotuned(ProcessGroup(1, 2))
    assert {threads for threads, _ in tried} == {1, 2, 4}
    assert values == [5] and chosen == (1, "bf16")


def test_timing_changes_neither_the_network_nor_the_callers_threads():
    torch.manual_seed(0)
    model = RECIPE.build("model")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train = autotune.autotune(RECIPE, model, training_sets(RECIPE)[0]).train
    assert train.threads >= 1 and train.precision in ("fp32", "bf16")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)


def epochs_and_steps(monkeypatch, elapsed=0.0, group=None, **values):
    """Return the epochs that minutes come to, and their steps, where a step takes half a second, validation nothing."""
    monkeypatch.setattr(autotune, "_distributed_step_seconds", lambda *arguments: 0.5)
    monkeypatch.setattr(autotune, "validation_loss", lambda *arguments: 0.0)
    recipe = RECIPE.with_values({f"train.{name}": value for name, value in values.items()})
    sets = training_sets(recipe)
    train = autotune.epochs_from_minutes(recipe, recipe.build("model"), *sets, group, elapsed).train
    return train.epochs, train.steps


def test_minutes_come_to_epochs(monkeypatch):
    # 54 images are left to train on, which makes 7 steps.
    assert epochs_and_steps(monkeypatch, minutes=7.0) == (int(0.97 * 7 * 60 / (7 * 0.5)), 0)
    assert epochs_and_steps(monkeypatch, minutes=7.0, epochs=40, steps=3, elapsed=210.0) == (
        int(0.97 * 210 / (7 * 0.5)),
        0,
    )
    assert (
        epochs_and_steps(monkeypatch, minutes=0.001)
        == epochs_and_steps(monkeypatch, minutes=0.01, elapsed=100.0)
        == (1, 1)
    )
    assert epochs_and_steps(monkeypatch, epochs=40, steps=3) == (40, 3)


@pytest.mark.parametrize(
    ("seconds_left", "whole", "step", "validating", "length"),
    [
        (100, 10, 1, 0, (10, 0)),
        (99, 10, 1, 0, (10, 9)),
        (19, 10, 1, 0.5, (4, 4)),
        (5, 1000, 1, 0, (4, 1)),
        (2.9, 1000, 1, 0, (2, 1)),
        (60, 1000, 0.5, 6, (2, 48)),
        (60, 1000, 0.5, 40, (1, 40)),
        (30, 1000, 0.5, 40, (1, 1)),
        (25, 10, 1, 5, (1, 0)),
    ],
)
def test_short_epochs_fill_the_time_where_whole_ones_would_not(seconds_left, whole, step, validating, length):
    assert autotune._epochs_and_steps(seconds_left, whole, step, validating) == length


def test_an_epoch_longer_than_the_minutes_is_cut(monkeypatch):
    # A whole one takes 3.5 seconds.
    assert epochs_and_steps(monkeypatch, minutes=2.2 / 0.97 / 60) == (4, 1)
    assert epochs_and_steps(monkeypatch, minutes=10.1 / 0.97 / 60) == (4, 5)


def test_few_slow_steps_are_timed(monkeypatch):
    now = [0.0, 0.0]
    monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(autotune.TrainingStep, "__call__", lambda self, batch: now.__setitem__(0, now[0] + now[1]))
    recipe = RECIPE.with_values({"train.threads": 1})
    training = training_sets(recipe)[0]
    for minutes, took, best, steps in ((0.0, 4.0, 9.0, 2), (0.0, 1.0, 0.5, 6), (0.0, 1.0, 0.3, 2), (0.5, 1.0, 1.0, 2)):
        now[0], now[1] = 0.0, took
        timed = recipe.with_values({"train.minutes": minutes})
        assert autotune._step_seconds(timed, recipe.build("model"), training, best) == took
        assert now[0] == took * steps


def test_slow_timing_is_given_up_for_the_training(monkeypatch):
    now, tried = [0.0], []

    def seconds(recipe, *arguments):
        tried.append(recipe.train.precision)
        now[0] += 4.0
        return 1.0 if recipe.train.precision == "bf16" else 2.0

    monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(autotune, "_step_seconds", seconds)
    for minutes, times, chosen in ((0.0, 2, "bf16"), (10.0, 2, "bf16"), (0.5, 1, "fp32")):
        tried.clear()
        recipe = RECIPE.with_values({"train.threads": 1, "train.minutes": minutes})
        found = autotune.autotune(recipe, recipe.build("model"), training_sets(recipe)[0])
        assert (len(tried), found.train.precision) == (times, chosen)


def test_the_main_process_decides_on_the_epochs_for_all(monkeypatch):
    values = []
    monkeypatch.setattr(ProcessGroup, "broadcast", lambda self, value: values.append(value) or 9)
    assert epochs_and_steps(monkeypatch, minutes=7.0) == (9, 9) and values == [116, 0]


def test_validation_is_a_part_of_the_minutes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(autotune.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(autotune, "_distributed_step_seconds", lambda *arguments: 0.5)
    monkeypatch.setattr(autotune, "validation_loss", lambda *arguments: now.__setitem__(0, now[0] + 3.5))
    recipe = RECIPE.with_values({"train.minutes": 7.0})
    found = autotune.epochs_from_minutes(recipe, recipe.build("model"), *training_sets(recipe)).train.epochs
    assert found == int(0.97 * (7 * 60 - 3.5) / (7 * 0.5 + 3.5))


def test_timing_steps_changes_nothing_and_stops(monkeypatch):
    recipe = RECIPE.with_values({"train.minutes": 0.01, "train.threads": 1, "train.precision": "fp32"})
    model = recipe.build("model")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    assert autotune.epochs_from_minutes(recipe, model, *training_sets(recipe)).train.epochs >= 1
    assert model.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    taken = []
    monkeypatch.setattr(autotune.TrainingStep, "__call__", lambda self, batch: taken.append(len(batch.clean)))
    for seconds, count in ((0.0, autotune.MIN_TIMED_STEPS), (1e9, autotune.MAX_TIMED_STEPS)):
        monkeypatch.setattr(autotune, "_timing_budget", lambda recipe, seconds=seconds: seconds)
        taken.clear()
        autotune.epochs_from_minutes(recipe, model, *training_sets(recipe))
        assert taken == [8] * (autotune.EPOCH_WARMUP_STEPS + count)
