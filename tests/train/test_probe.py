"""What the recipe names is kept, the rest is timed, and the leader of a group decides for all."""

import pytest
import torch

from pellucid.batches import training_sets
from pellucid.recipe import Recipe
from pellucid.train import probe
from pellucid.train.group import Group

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
def settled(monkeypatch):
    """Settle a recipe on a machine of eight cores, on which four threads and bfloat16 are the fastest."""
    tried = []

    def seconds(recipe, model, images):
        train = recipe.train
        tried.append((train.threads, train.precision))
        return abs(train.threads - 4) + (train.precision == "fp32") / 2

    def settled(group=None, **values):
        recipe = RECIPE.with_values({f"train.{name}": value for name, value in values.items()})
        train = probe.settle(recipe, recipe.build("model"), training_sets(recipe)[0], group).train
        return (train.threads, train.precision), tried

    monkeypatch.setattr(probe, "_seconds", seconds)
    monkeypatch.setattr(probe, "cores", lambda: 8)
    return settled


def test_the_fastest_is_chosen(settled):
    chosen, tried = settled()
    assert chosen == (4, "bf16")
    assert tried == [(threads, precision) for threads in (1, 4, 8) for precision in ("fp32", "bf16")]


def test_what_is_named_is_kept_and_not_timed(settled):
    assert settled(threads=3, precision="fp32") == ((3, "fp32"), [])
    assert settled(threads=3)[0] == (3, "bf16")
    assert settled(precision="fp32")[0] == (4, "fp32")


def test_processes_take_their_part_of_the_cores_and_follow_the_leader(settled, monkeypatch):
    said = []
    monkeypatch.setattr(Group, "leader_says", lambda self, number: said.append(number) or 1)
    chosen, tried = settled(Group(1, 2))
    assert {threads for threads, _ in tried} == {1, 2, 4}
    assert said == [5] and chosen == (1, "bf16")


def test_timing_changes_neither_the_network_nor_the_callers_threads():
    torch.manual_seed(0)
    model = RECIPE.build("model")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train = probe.settle(RECIPE, model, training_sets(RECIPE)[0]).train
    assert train.threads >= 1 and train.precision in ("fp32", "bf16")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), state)
