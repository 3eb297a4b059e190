"""Kills and full disks at any moment: the run continues, and ends as if nothing had been."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file

from pellucid import checkpoint
from pellucid.errors import PellucidError
from pellucid.recipes.recipe import Recipe
from pellucid.train.loop import train

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits", "train_images": 120, "crop": 7, "augment": True},
    "noise": {"name": "mix", "clip": False},
    "model": {"name": "conv", "widths": [4, 8], "norm": "batch"},
    "loss": {"name": "bce"},
    "train": {
        "epochs": 2,
        "batch_size": 32,
        "lr": 0.003,
        "optimizer": "muon",
        "schedule": "cosine",
        "warmup": 3,
        "ema": 0.9,
        "threads": 1,
        "precision": "fp32",
    },
}
# Its children are forks, which need not load torch again. The state is written after every step, so that most kills
# come while a file is being written.
TASK = """
import json, os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from pellucid.train.batches import training_sets
from pellucid.recipes.recipe import Recipe
from pellucid.train import loop

out, kills = Path(sys.argv[1]), int(sys.argv[2])
recipe = Recipe.from_dict(json.loads(sys.argv[3]))
loop.SAVE_SECONDS = -1.0
training_sets(recipe)

def started(folder):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        loop.train(recipe, folder, resume=True)
        status = 0
    finally:
        os._exit(status)

def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

start = time.monotonic()
assert ended(started(out / "whole")) == 0
whole = time.monotonic() - start
moments = random.Random(0)
codes = []
for _ in range(kills):
    child = started(out / "killed")
    time.sleep(moments.uniform(0, 0.7 * whole / kills))
    os.kill(child, signal.SIGKILL)
    codes.append(ended(child))
codes.append(ended(started(out / "killed")))
print(json.dumps(codes))
"""


def same(first, second):
    left, right = load_file(first), load_file(second)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_a_run_killed_at_random_moments_ends_as_the_uninterrupted_one(kills, tmp_path):
    tables = TABLES | {"train": TABLES["train"] | {"epochs": 3 * kills}}
    command = [sys.executable, "-c", TASK, str(tmp_path), str(kills), json.dumps(tables)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1700, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [-signal.SIGKILL] * kills + [0], done.stderr
    for name in ("best.safetensors", "last.safetensors"):
        assert same(tmp_path / "whole" / name, tmp_path / "killed" / name)
    whole, killed = (
        [json.loads(line) for line in (tmp_path / run / "stats.jsonl").read_text().splitlines()]
        for run in ("whole", "killed")
    )
    for entry in (*whole, *killed):
        del entry["seconds"], entry["samples_per_second"]
    assert whole == killed and len(whole) == 3 * kills
    files = {"best.safetensors", "last.safetensors", "recipe.toml", "stats.jsonl"}
    assert {path.name for path in (tmp_path / "killed").iterdir()} == files


def test_leftovers_of_a_kill_are_repaired(tmp_path):
    recipe = Recipe.from_dict(TABLES)
    result = train(recipe, tmp_path)
    stats = (tmp_path / "stats.jsonl").read_text()
    (tmp_path / "stats.jsonl").write_text(stats.splitlines(keepends=True)[0])
    (tmp_path / ".pellucid-0123456789abcdef.safetensors").write_bytes(b"half of it")
    (tmp_path / ".mine").touch()
    assert train(recipe, tmp_path, resume=True).history == result.history
    assert (tmp_path / "stats.jsonl").read_text() == stats
    files = {".mine", "best.safetensors", "last.safetensors", "recipe.toml", "stats.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == files


@contextmanager
def files_no_larger_than(size):
    """Limit files as a quota does: writes beyond the limit fail in the system, not in Python."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_disk_that_fills_leaves_the_old_checkpoint_whole(step, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train.loop.SAVE_SECONDS", -1.0)
    recipe = Recipe.from_dict(TABLES)
    train(recipe, tmp_path / "whole")
    with files_no_larger_than(2000) as fill:

        def progress(where):
            if where.step == step:
                fill()

        with pytest.raises(PellucidError) as caught:
            train(recipe, tmp_path / "filled", progress=progress)
    assert "\n" not in str(caught.value)
    assert "cannot write" in str(caught.value) and "choose another folder" in str(caught.value)
    _, described = checkpoint.read_tensors(tmp_path / "filled/last.safetensors")
    assert described["counters"]["global_step"] == step - 1
    assert not [path for path in (tmp_path / "filled").iterdir() if path.name.startswith(".")]
    train(recipe, tmp_path / "filled", resume=True)
    for name in ("best.safetensors", "last.safetensors"):
        assert same(tmp_path / "whole" / name, tmp_path / "filled" / name)


def test_a_disk_that_is_full_from_the_start_is_reported_before_the_first_step(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    steps = []
    with pytest.raises(PellucidError, match=r"cannot write .*last\.safetensors: the disk is full; free some space"):
        train(Recipe.from_dict(TABLES), tmp_path, progress=steps.append)
    assert not steps
