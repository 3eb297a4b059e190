"""A small network with random weights, as a checkpoint and as an ONNX file."""

import numpy as np
import pytest
import torch

from pellucid import checkpoint, registry
from pellucid.engines.onnx_export import export
from pellucid.recipes.recipe import Recipe
from pellucid.weights.catalog import Weights

TABLES = {
    "name": "small",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "unet"},
    "loss": {"name": "l1"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
}
OPTIONS = {"channels": 3, "widths": [8, 12, 16], "condition": True}


@pytest.fixture(scope="session")
def network():
    torch.manual_seed(0)
    return registry.build("model", "unet", OPTIONS).eval()


def both(folder, role, name, network) -> Weights:
    """Return the network in both kinds of files."""
    recipe = Recipe.from_dict(TABLES)
    onnx, safetensors = folder / f"{name}.onnx", folder / f"{name}.safetensors"
    checkpoint.save(safetensors, checkpoint.Checkpoint(recipe, {role: network}))
    export(network, onnx, name, recipe.to_dict())
    return Weights(name, onnx, safetensors)


@pytest.fixture(scope="session")
def files(network, tmp_path_factory) -> Weights:
    return both(tmp_path_factory.mktemp("weights"), "denoiser", "small", network)


@pytest.fixture
def unconditional(tmp_path) -> Weights:
    return both(tmp_path, "denoiser", "gray", registry.build("model", "conv", {"widths": [4, 4]}))


@pytest.fixture
def classifier(tmp_path) -> Weights:
    return both(tmp_path, "classifier", "digits", registry.build("model", "classifier", {"image": [1, 8, 8]}))


@pytest.fixture(scope="session")
def batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clean images, noisy ones, and their levels."""
    rng = np.random.default_rng(0)
    clean = np.linspace(0, 1, 3 * 40 * 56, dtype=np.float32).reshape(1, 3, 40, 56).repeat(2, axis=0)
    sigma = np.array([0.1, 0.2], np.float32)
    noisy = clean + sigma[:, None, None, None] * rng.standard_normal(clean.shape, np.float32)
    return clean, noisy.astype(np.float32), sigma


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, so that no earlier measurement decides."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pellucid" / "engines.json"
