"""A run's state comes back as it was saved, and the average of the weights follows them."""

import pytest
import torch

from pellucid import checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe
from pellucid.train.distributed import ProcessGroup
from pellucid.train.run_folder import RunFolder
from pellucid.train.run_state import RunState, saved_recipe

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "conv", "widths": [4, 8], "norm": "batch"},
    "loss": {"name": "bce"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.01, "ema": 0.9, "threads": 1, "precision": "fp32"},
}


def recipe(**values):
    return Recipe.from_dict(TABLES).with_values({f"train.{name}": value for name, value in values.items()})


def started(chosen, seed=0):
    torch.manual_seed(seed)
    return RunState.start(chosen, chosen.build("model"), ProcessGroup())


def step(state):
    clean = torch.rand(8, 1, 8, 8)
    state.training_step(TrainingBatch(clean, clean, None, None))
    state.update_ema()
    state.global_step += 1


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_a_state_comes_back_as_it_was_and_goes_on_equally(optimizer, tmp_path):
    chosen = recipe(optimizer=optimizer)
    state, again = started(chosen), started(chosen, seed=1)
    for _ in range(3):
        step(state)
    state.loss_sum, state.num_samples, state.epoch_seconds = 1.5, 24, 2.5
    state.best_loss, state.epochs_without_improvement, state.history = 0.7, 4, [{"epoch": 1}]
    state.save(tmp_path / "last.safetensors")
    again.restore(tmp_path / "last.safetensors")
    assert (again.global_step, again.loss_sum, again.num_samples, again.epoch_seconds) == (3, 1.5, 24, 2.5)
    assert (again.best_loss, again.epochs_without_improvement, again.history) == (0.7, 4, [{"epoch": 1}])
    generator = torch.get_rng_state()
    step(state)
    torch.set_rng_state(generator)
    step(again)
    assert equal(state.training_step.model.state_dict(), again.training_step.model.state_dict())
    assert equal(state.ema_model.state_dict(), again.ema_model.state_dict())


def test_the_average_moves_by_its_decay_and_faster_at_first():
    state = started(recipe())
    for step_number, kept in ((0, 0.1), (5, 6 / 15), (1000, 0.9)):
        state.global_step = step_number
        before = {name: value.clone() for name, value in state.ema_model.state_dict().items()}
        step(state)
        model = state.training_step.model.state_dict()
        for name, value in state.ema_model.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, kept * before[name] + (1 - kept) * model[name])
            else:
                assert torch.equal(value, model[name])


def test_without_an_average_the_model_stands_for_it():
    state = started(recipe(ema=0.0))
    step(state)
    assert state.ema_model is state.training_step.model


def test_a_file_that_is_no_state_is_refused(tmp_path):
    chosen = recipe()
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(chosen, {"denoiser": chosen.build("model")}, {}))
    for refused in (lambda: started(chosen).restore(path), lambda: saved_recipe(RunFolder(tmp_path), chosen, True)):
        with pytest.raises(PellucidError, match=r"last\.safetensors is not the state of a training run"):
            refused()


def test_autotuned_values_are_kept_and_another_recipe_is_refused(tmp_path):
    path = tmp_path / "last.safetensors"
    state = started(recipe(threads=3, precision="bf16"))
    state.global_step = 1
    state.save(path)
    found = saved_recipe(RunFolder(tmp_path), recipe(threads=0, precision="auto"), True)
    assert found is not None and (found.train.threads, found.train.precision) == (3, "bf16")
    with pytest.raises(UsageError, match=r"started with another \[train\]"):
        saved_recipe(RunFolder(tmp_path), recipe(warmup=7), True)
    with pytest.raises(UsageError, match="holds a run already: give --resume"):
        saved_recipe(RunFolder(tmp_path), recipe(), False)


def test_the_epochs_that_minutes_came_to_are_kept(tmp_path):
    path = tmp_path / "last.safetensors"
    state = started(recipe(minutes=2.0, epochs=17))
    state.global_step = 1
    state.save(path)
    for epochs in (1, 17, 40):
        found = saved_recipe(RunFolder(tmp_path), recipe(minutes=2.0, epochs=epochs, threads=0), True)
        assert found is not None and (found.train.epochs, found.train.threads) == (17, 1)
    for other in (recipe(minutes=3.0, epochs=17), recipe(epochs=17)):
        with pytest.raises(UsageError, match=r"started with another \[train\]"):
            saved_recipe(RunFolder(tmp_path), other, True)


def test_a_run_that_took_no_step_can_be_started_again(tmp_path):
    path = tmp_path / "last.safetensors"
    assert saved_recipe(RunFolder(tmp_path), recipe(), True) is None
    started(recipe(minutes=2.0, epochs=17)).save(path)
    found = saved_recipe(RunFolder(tmp_path), recipe(minutes=2.0), True)
    assert found is not None and found.train.epochs == 17
    assert saved_recipe(RunFolder(tmp_path), recipe(minutes=2.0), False) is None
    assert saved_recipe(RunFolder(tmp_path), recipe(warmup=7), True) is None


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (
            {"epochs": 8, "schedule": "cosine", "hold_fraction": 0.5},
            {"epochs": 20, "schedule": "cosine", "hold_fraction": 0.5},
            True,
        ),
        (
            {"epochs": 8, "schedule": "cosine", "hold_fraction": 0.5},
            {"epochs": 4, "schedule": "cosine", "hold_fraction": 0.9},
            True,
        ),
        (
            {"epochs": 8, "schedule": "cosine", "hold_fraction": 0.5},
            {"epochs": 4, "schedule": "cosine", "hold_fraction": 0.2},
            False,
        ),
        (
            {"epochs": 8, "schedule": "cosine", "hold_fraction": 0.1},
            {"epochs": 40, "schedule": "cosine", "hold_fraction": 0.1},
            False,
        ),
        ({"epochs": 3}, {"epochs": 5}, True),
        ({"epochs": 3}, {"epochs": 5, "lr": 0.02}, False),
    ],
    ids=str,
)
def test_a_run_can_be_made_longer_or_shorter_while_its_rate_is_constant(first, second, fits, tmp_path):
    path = tmp_path / "last.safetensors"
    state = started(recipe(**first))
    state.global_step, state.history = (
        30,
        [{"epoch": 1, "step": 10}, {"epoch": 2, "step": 20}, {"epoch": 3, "step": 30}],
    )
    state.save(path)
    if fits:
        found = saved_recipe(RunFolder(tmp_path), recipe(**second), True)
        assert found is not None and found.train.epochs == second["epochs"]
    else:
        with pytest.raises(UsageError, match=r"another \[train\]"):
            saved_recipe(RunFolder(tmp_path), recipe(**second), True)
