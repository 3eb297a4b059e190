"""Checkpoints rebuild their networks; other files are refused in one line."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from pellucid import checkpoint, registry
from pellucid.checkpoint import Checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe

RECIPE = Recipe.from_dict(
    {
        "name": "small",
        "summary": "For the tests",
        "data": {"name": "digits"},
        "model": {"name": "conv", "widths": [4]},
        "loss": {"name": "bce"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
    }
)


@pytest.fixture
def denoiser():
    return registry.build("model", "conv", {"widths": [4], "norm": "batch"})


@pytest.fixture
def classifier():
    return registry.build("model", "classifier", {"image": [1, 8, 8], "widths": [8]})


@pytest.fixture
def path(tmp_path, denoiser):
    path = tmp_path / "best.safetensors"
    checkpoint.save(path, Checkpoint(RECIPE, {"denoiser": denoiser}, {"psnr": 20.5}))
    return path


def test_a_checkpoint_rebuilds_its_network(path, denoiser):
    loaded = checkpoint.load(path)
    assert loaded.recipe == RECIPE
    assert loaded.metrics == {"psnr": 20.5}
    image = torch.rand(2, 1, 9, 12)
    assert torch.equal(loaded.networks["denoiser"](image), denoiser.eval()(image))


def test_whoever_may_read_other_new_files_may_read_a_checkpoint(path, tmp_path):
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_two_checkpoints_become_one(path, tmp_path, classifier):
    other = tmp_path / "classifier.safetensors"
    checkpoint.save(other, Checkpoint(RECIPE, {"classifier": classifier}, classes=("zero", "one")))
    out = tmp_path / "combined.safetensors"
    checkpoint.combine(path, other, out)
    combined = checkpoint.load(out)
    assert set(combined.networks) == {"denoiser", "classifier"}
    assert combined.classes == ("zero", "one")
    with pytest.raises(UsageError, match="holds no denoiser"):
        checkpoint.combine(other, other, out)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def a_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))


def a_zipped_pickle(path):
    torch.save({"weights": torch.zeros(2)}, path)


def of_another_version(path):
    save_file({"x": torch.zeros(1)}, path, {"format": "pellucid-9", "metadata": "{}"})


def of_another_program(path):
    save_file({"x": torch.zeros(1)}, path)


def without_a_tensor(path):
    tensors, described = checkpoint.read_tensors(path)
    tensors.pop(next(name for name in tensors if name.endswith("weight")))
    checkpoint.write_tensors(path, tensors, described)


def with_a_nan(path):
    tensors, described = checkpoint.read_tensors(path)
    next(value for value in tensors.values() if value.is_floating_point()).view(-1)[0] = float("nan")
    checkpoint.write_tensors(path, tensors, described)


def with_an_unknown_network(path):
    tensors, described = checkpoint.read_tensors(path)
    described["networks"]["denoiser"]["name"] = "convv"
    checkpoint.write_tensors(path, tensors, described)


def absent(path):
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "is cut short or no safetensors file"),
        (empty, "is cut short or no safetensors file"),
        (a_pickle, "is a pickle, which is never loaded"),
        (a_zipped_pickle, "is a pickle, which is never loaded"),
        (of_another_version, "has pellucid-9, this version reads pellucid-2"),
        (of_another_program, "has no Pellucid format"),
        (without_a_tensor, "does not fit the network it names"),
        (with_a_nan, "weights that are not finite"),
        (with_an_unknown_network, "names a network that this version cannot build"),
        (absent, "cannot read the checkpoint"),
    ],
)
def test_files_that_are_no_checkpoints_are_refused(path, damage, message):
    damage(path)
    with pytest.raises(PellucidError, match=message) as caught:
        checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_recipe_can_be_read_without_pellucid(path):
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["metadata"])["recipe"]["name"] == "small"
