"""Checkpoints: safetensors with the recipe inside; a checkpoint rebuilds its own networks and is never unpickled."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as as_bytes
from torch import Tensor

from pellucid import registry
from pellucid.errors import PellucidError, UsageError
from pellucid.input_spec import InputSpec
from pellucid.recipes.format_1 import upgrade_recipe
from pellucid.recipes.recipe import Recipe
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.refuse_pickle import refuse_pickle

FORMAT = "pellucid-1"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes:
        recipe: the recipe it was trained by.
        networks: `denoiser`, `classifier` or both, or a noise level's `estimator`, in evaluation mode.
        figures: what was measured when it was written.
        classes: the class names of the classifier, if there is one.
    """

    recipe: Recipe
    networks: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: the old file stays until the new one is complete.

    Raises:
        PellucidError: if it cannot be written, for want of space or permission.
    """
    tensors = {}
    for role, network in checkpoint.networks.items():
        tensors |= {f"{role}.{name}": value for name, value in network.state_dict().items()}
    described = {
        "recipe": checkpoint.recipe.to_dict(),
        "networks": {role: _describe(network) for role, network in checkpoint.networks.items()},
        "figures": checkpoint.figures,
        "classes": list(checkpoint.classes),
    }
    write_tensors(path, tensors, described)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and rebuild its networks.

    Raises:
        PellucidError: if the file is absent, cut short, a pickle, of another version, or holds values that are
            not finite or do not fit its networks.
    """
    tensors, described = read_tensors(path)
    if "networks" not in described:
        raise PellucidError(f"{path} holds the state of a training run: give the best.safetensors beside it")
    networks = {}
    for role, part in described["networks"].items():
        network = _rebuild(path, part)
        prefix = f"{role}."
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise PellucidError(f"{path} does not fit the network it names: fetch or train it again") from error
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise PellucidError(f"{path} holds weights that are not finite: fetch or train it again")
        networks[role] = network.eval()
    recipe = Recipe.from_dict(upgrade_recipe(described["recipe"]))
    return Checkpoint(recipe, networks, described["figures"], tuple(described["classes"]))


def combine(denoiser: Path, classifier: Path, out: Path) -> None:
    """Write one checkpoint that holds the denoiser of one file and the classifier of another."""
    first, second = load(denoiser), load(classifier)
    for path, checkpoint, role in ((denoiser, first, "denoiser"), (classifier, second, "classifier")):
        if role not in checkpoint.networks:
            raise UsageError(f"{path} holds no {role}: give the checkpoint of one")
    networks = {"denoiser": first.networks["denoiser"], "classifier": second.networks["classifier"]}
    save(out, Checkpoint(first.recipe, networks, first.figures | second.figures, second.classes))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], described: Mapping[str, Any]) -> None:
    """Write named tensors and a JSON description as one safetensors file, atomically."""
    metadata = {"format": FORMAT, "described": json.dumps(described)}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        # The library's own file is for the owner alone to read, and a kill leaves half of it under a name of its own.
        temporary.write_bytes(as_bytes(contiguous, metadata))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        PellucidError: if the file is absent, cut short, a pickle, or of another version.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PellucidError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    refuse_pickle(path, content, "convert it to safetensors first")
    try:
        tensors = load_tensors(content)
        (length,) = struct.unpack_from("<Q", content)
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, struct.error, ValueError) as error:
        raise PellucidError(f"{path} is cut short or no safetensors file: fetch or train it again") from error
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "no Pellucid format")
        raise PellucidError(f"{path} has {found}, this version reads {FORMAT}: install the version that wrote it")
    return tensors, json.loads(metadata["described"])


def _describe(network: Any) -> dict[str, Any]:
    name = type(network).__module__.rpartition(".")[2]
    return {"name": name, "options": network.options, "input_spec": network.input_spec.to_dict()}


def _rebuild(path: Path, part: Mapping[str, Any]) -> Any:
    try:
        network = registry.build("model", part["name"], part["options"])
    except UsageError as error:
        raise PellucidError(f"{path} names a network that this version cannot build: {error}") from error
    network.input_spec = InputSpec.from_dict(part["input_spec"])
    return network
