"""Training starts from weights of the same network, and from no others."""

import pytest
import torch

from pellucid import checkpoint
from pellucid.checkpoint import Checkpoint
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.train.loop import train
from pellucid.train.pretrained import pretrained_weights
from pellucid.weights import catalog

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits", "train_images": 100},
    "noise": {"name": "gaussian", "sigma": 0.2},
    "model": {"name": "unet", "widths": [4, 8]},
    "loss": {"name": "mse"},
    "train": {"epochs": 1, "batch_size": 45, "lr": 1e-12, "threads": 1, "precision": "fp32"},
}
RECIPE = Recipe.from_dict(TABLES)


def starting(path, **model):
    return RECIPE.with_values({"train.start": str(path)} | {f"model.{name}": value for name, value in model.items()})


@pytest.fixture
def file(tmp_path):
    """A checkpoint of the recipe's network, with weights from another seed."""
    torch.manual_seed(7)
    path = tmp_path / "start.safetensors"
    checkpoint.save(path, Checkpoint(RECIPE, {"denoiser": RECIPE.build("model")}))
    return path


def test_a_recipe_that_names_none_starts_from_none():
    assert pretrained_weights(RECIPE) is None


def test_training_starts_from_the_weights_of_the_file(file, tmp_path):
    known = checkpoint.load(file).networks["denoiser"].state_dict()
    found = checkpoint.load(train(starting(file), tmp_path / "run").best).networks["denoiser"].state_dict()
    assert all(torch.allclose(found[name], value, atol=1e-9) for name, value in known.items())
    other = checkpoint.load(train(RECIPE, tmp_path / "scratch").best).networks["denoiser"].state_dict()
    assert not any(torch.allclose(other[name], value) for name, value in known.items() if value.ndim > 1)


def test_a_run_is_resumed_without_the_file(file, tmp_path):
    recipe = starting(file).with_values({"train.epochs": 2})
    train(recipe, tmp_path / "run")
    file.unlink()
    assert len(train(recipe, tmp_path / "run", resume=True).history) == 2
    with pytest.raises(UsageError, match=r"started with another \[train\]"):
        train(recipe.with_values({"train.start": ""}), tmp_path / "run", resume=True)


def test_a_shipped_network_is_found_by_its_name():
    (name, *_) = catalog.names()
    shipped = checkpoint.load(catalog.FOLDER / f"{name}.safetensors")
    recipe = shipped.recipe.with_values({"train.start": name})
    found, known = pretrained_weights(recipe), shipped.networks["denoiser"].state_dict()
    assert found is not None and all(torch.equal(found[key], value) for key, value in known.items())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"widths": [4, 12]}, ["a unet of widths = [4, 8], but [model] has widths = [4, 12]", 'train.start = ""']),
        ({"residual": False, "channels": 3}, ["channels = 1, residual = True", "channels = 3, residual = False"]),
    ],
)
def test_another_network_is_refused_and_what_differs_named(file, model, words, tmp_path):
    with pytest.raises(UsageError) as caught:
        train(starting(file, **model), tmp_path / "run")
    assert all(word in str(caught.value) for word in [str(file), *words]) and not (tmp_path / "run").exists()


def test_files_that_hold_no_such_network_are_refused(file, tmp_path, exported):
    conv = starting(file).with_values({"model": {"name": "conv", "widths": [4]}})
    with pytest.raises(UsageError, match=r'is a unet, but the recipe has model\.name = "conv"'):
        pretrained_weights(conv)
    with pytest.raises(UsageError, match=r"is an exported network: give its \.safetensors checkpoint"):
        pretrained_weights(starting(exported))
    with pytest.raises(PellucidError, match="cannot read the checkpoint"):
        pretrained_weights(starting(tmp_path / "absent.safetensors"))
    with pytest.raises(UsageError, match="unknown model"):
        pretrained_weights(starting("phot"))
    torch.manual_seed(0)
    reader = RECIPE.with_values({"model": {"name": "classifier", "image": [1, 8, 8]}}).build("model")
    checkpoint.save(file, Checkpoint(RECIPE, {"classifier": reader}))
    with pytest.raises(UsageError, match="holds no network that can denoise"):
        pretrained_weights(starting(file))
