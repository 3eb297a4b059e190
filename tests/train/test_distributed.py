"""Processes that share a batch train as one alone would, and one of them writes.

Two processes, started by torchrun once, do everything that the tests check, since starting takes most of their time.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pellucid.objectives.batch import TrainingBatch
from pellucid.recipes.recipe import Recipe
from pellucid.train.distributed import ProcessGroup, process_group
from pellucid.train.step import TrainingStep

pytestmark = pytest.mark.timeout(300)

RECIPE = {
    "name": "shared",
    "summary": "For the tests",
    # 193 images are left to train on: the last batch of an epoch has one, so the second process has none.
    "data": {"name": "digits", "train_images": 215, "crop": 6, "augment": True},
    "noise": {"name": "mix", "clip": False},
    "model": {"name": "conv", "widths": [4, 8], "norm": "batch"},
    "loss": {"name": "bce"},
    "train": {
        "epochs": 3,
        "batch_size": 64,
        "lr": 0.003,
        "ema": 0.9,
        "schedule": "cosine",
        "warmup": 3,
        "patience": 9,
        "threads": 1,
        "precision": "fp32",
    },
}
TASK = """
import json, os, signal, sys
from pathlib import Path
import torch
from pellucid.recipes.recipe import Recipe
from pellucid.train import loop
from pellucid.train.distributed import process_group
from test_distributed import RECIPE, gradients

out, rank = Path(sys.argv[1]), int(os.environ["RANK"])
written = set()

def record_writes(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR) or event in ("os.rename", "os.mkdir"):
        written.add(str(arguments[0]))

def interrupt(progress):
    steps.append(progress.step)
    if progress.step == 6:
        signal.raise_signal(signal.SIGINT)

sys.addaudithook(record_writes)
recipe, steps = Recipe.from_dict(RECIPE), []
with process_group() as group, process_group() as inner:
    found = {"world_size": group.world_size, "inner": inner == group, "is_main": group.is_main}
    found["any"] = [group.any(rank == 1), group.any(False)]
    doubled = {count: group.sharded_map(lambda items: items * 2 + rank, torch.arange(count)) for count in (5, 2, 1)}
    found["shared"] = {count: items.tolist() for count, items in doubled.items()}
    found["broadcast"] = group.broadcast(rank + 0.1)
    found["gradients"] = {count: gradients(group, count) for count in (8, 5, 1)}
    found["muon"] = gradients(group, 8, "muon")
    whole = loop.train(recipe, out / "whole")
    found["stopped"] = loop.train(recipe, out / "parts", progress=interrupt).stopped
    parts = loop.train(recipe, out / "parts", resume=True)
    timed = loop.train(recipe.with_values({"train.minutes": 0.02, "train.patience": 1}), out / "timed")
    found["epochs"] = timed.recipe.train.epochs
    found["losses"] = [[entry["validation_loss"] for entry in run.history] for run in (whole, parts)]
    found["train_losses"] = [[entry["train_loss"] for entry in run.history] for run in (whole, parts)]
found |= {"steps": steps, "written": sorted(name for name in written if name.startswith(str(out)))}
(out / f"rank{rank}.json").write_text(json.dumps(found))
"""


def gradients(group, count, optimizer="adam"):
    """Return the loss of a group's step on `count` images, the gradients of all together, and the weights after it."""
    torch.manual_seed(0)
    recipe = Recipe.from_dict(RECIPE).with_values(
        {"model.norm": "none", "train.gradient_clip": 0.01, "train.optimizer": optimizer}
    )
    step = TrainingStep.from_recipe(recipe, recipe.build("model"), group)
    clean = torch.rand(count, 1, 8, 8)
    noisy = clean + 0.1 * torch.randn(count, 1, 8, 8)
    mine = group.shard(torch.arange(count))
    loss = step(TrainingBatch(clean[mine], noisy[mine], None, None))
    values = list(step.model.parameters())
    made = torch.cat([value.grad.flatten() for value in values if value.grad is not None])
    return [loss, made.tolist(), torch.cat([value.flatten() for value in values]).tolist()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder that two processes worked in, and what each of them found."""
    out = tmp_path_factory.mktemp("shared")
    (out / "task.py").write_text(TASK)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    kept |= {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, out / "task.py", out], env=kept, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return out, [json.loads((out / f"rank{rank}.json").read_text()) for rank in (0, 1)]


def test_the_processes_form_a_group(shared):
    for rank, found in enumerate(shared[1]):
        assert found["world_size"] == 2 and found["inner"] and found["is_main"] == (rank == 0)
        assert found["any"] == [True, False] and found["broadcast"] == 0.1


def test_all_processes_get_the_whole_result_of_a_sharded_map(shared):
    for found in shared[1]:
        assert found["shared"] == {"5": [0, 3, 4, 7, 8], "2": [0, 3], "1": [0]}


def test_with_muon_too_they_take_the_step_of_one_alone(shared):
    alone = gradients(ProcessGroup(), 8, "muon")
    for found in shared[1]:
        assert found["muon"][2] == pytest.approx(alone[2], rel=2e-3, abs=1e-5)
    assert shared[1][0]["muon"] == shared[1][1]["muon"]


@pytest.mark.parametrize("count", [8, 5, 1])
def test_together_they_take_the_step_that_one_alone_takes_on_the_whole_batch(shared, count):
    alone = gradients(ProcessGroup(), count)
    for found in shared[1]:
        loss, made, weights = found["gradients"][str(count)]
        assert loss == pytest.approx(alone[0], rel=1e-5)
        assert made == pytest.approx(alone[1], rel=1e-4, abs=1e-7)
        assert weights == pytest.approx(alone[2], rel=1e-3, abs=1e-5)
    assert shared[1][0]["gradients"][str(count)] == shared[1][1]["gradients"][str(count)]


def test_a_shared_run_learns_and_all_agree_on_how_it_goes(shared):
    first, second = shared[1]
    assert first["losses"] == second["losses"] and first["train_losses"] == second["train_losses"]
    losses = first["train_losses"][0]
    assert len(losses) == 3 and losses[-1] < losses[0]


def test_an_interrupted_shared_run_continues_to_the_bit(shared):
    out, found = shared
    assert [rank["stopped"] for rank in found] == ["interrupted"] * 2
    assert found[0]["losses"][0] == found[0]["losses"][1]
    for name in ("best.safetensors", "last.safetensors"):
        whole, parts = (load_file(out / run / name) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys() and all(torch.equal(whole[key], parts[key]) for key in whole)


def test_all_agree_on_the_epochs_that_minutes_come_to(shared):
    out, (first, second) = shared
    assert first["epochs"] == second["epochs"] >= 1
    assert f"epochs = {first['epochs']}\n" in (out / "timed/recipe.toml").read_text()


def test_the_main_process_alone_writes_and_reports_progress(shared):
    out, (main, other) = shared
    assert main["steps"] == [1, 2, 3, 4, 5, 6] and other["steps"] == []
    # Making a folder that is there already is no harm.
    assert set(other["written"]) <= {str(out / run) for run in ("whole", "parts", "timed")}
    assert len(main["written"]) > 4
    files = {"best.safetensors", "last.safetensors", "recipe.toml", "stats.jsonl"}
    assert {path.name for path in (out / "whole").iterdir()} == files


def test_shards_are_disjoint_and_complete_and_have_noise_of_their_own():
    index = torch.tensor([5, 3, 8, 1, 9])
    groups = [ProcessGroup(rank, 3) for rank in range(3)]
    assert torch.cat([group.shard(index) for group in groups]).sort().values.tolist() == sorted(index.tolist())
    keys = {group.rng_key("noise", 7) for group in groups}
    assert len(keys) == 3 and ProcessGroup().rng_key("noise", 7) == groups[0].rng_key("noise", 7) == ("noise", 7)


def test_one_process_is_a_group_of_its_own(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")  # set by other launchers too, which say nothing of where the others are
    with process_group() as group:
        assert group == ProcessGroup() and group.is_main
    model = torch.nn.Linear(2, 1)
    assert group.average_gradients(model, 0.5, 3) == 0.5 and group.any(True) and not group.any(False)
    assert group.broadcast(3) == 3
    group.barrier()
