"""Training and resuming give the same losses and weights as when the values were recorded, to the bit.

After a change that means to alter them: scripts/golden --write
"""

import hashlib
import json
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

import pellucid
from pellucid.train.loop import train

RECIPES = Path(__file__).parent / "recipes"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))


def hashes(tensors) -> list[str]:
    parts = ((str(value.dtype), str(list(value.shape)), value.numpy().tobytes()) for value in tensors)
    return sorted(hashlib.sha256(b"".join((a.encode(), b.encode(), c))).hexdigest() for a, b, c in parts)


def weights_of(folder: Path) -> dict:
    """The hashes of the best network's weights, and of the copies of each (trained, averaged) in the run's state.

    What comes before the first dot in a state's names is not compared.
    """
    best, last = load_file(folder / "best.safetensors"), load_file(folder / "last.safetensors")
    names = [name.partition(".")[2] for name in best]
    return {
        "best_sha256": {name.partition(".")[2]: hashes([value]) for name, value in sorted(best.items())},
        "last_sha256": {
            name: hashes(value for key, value in last.items() if key.partition(".")[2] == name)
            for name in sorted(names)
        },
    }


def lines_of(folder: Path) -> list[dict]:
    """The lines of stats.jsonl, without what depends on time."""
    lines = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "second" not in key} for line in lines]


def measured(recipe, folder: Path, **options) -> dict:
    losses = []
    train(recipe, folder, progress=lambda where: losses.append(where.train_loss), **options)
    return {"losses": losses, "stats": lines_of(folder), "weights": weights_of(folder)}


@pytest.mark.parametrize("name", NAMES)
def test_training_takes_the_very_same_steps(name, golden, one_thread, tmp_path):
    golden.check(f"train-{name}", measured(pellucid.load_recipe(RECIPES / f"{name}.toml"), tmp_path / "run"))


@pytest.mark.parametrize("steps", [2, 6])
def test_a_run_that_was_stopped_and_resumed_ends_as_recorded(steps, golden, one_thread, tmp_path):
    recipe, calls = pellucid.load_recipe(RECIPES / "resumed.toml"), []

    def interrupt(progress) -> None:
        calls.append(progress)
        if len(calls) == steps:
            signal.raise_signal(signal.SIGINT)

    before = train(recipe, tmp_path / "run", progress=interrupt)
    assert before.stopped == "interrupted" and len(calls) == steps
    after = measured(recipe, tmp_path / "run", resume=True)
    golden.check(f"resume-after-{steps}", after)
    whole = measured(recipe, tmp_path / "whole")
    assert after["weights"] == whole["weights"] and after["stats"] == whole["stats"]
