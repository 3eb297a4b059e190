"""Checkpoints: safetensors files with the recipe inside, from which the networks are built; nothing is unpickled."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor

from pellucid import registry
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.input_spec import InputSpec
from pellucid.recipes.recipe import Recipe
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.json_npz import refuse_pickle

OLD_FORMAT, FORMAT = "pellucid-1", "pellucid-2"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint file.

    Attributes:
        recipe: the recipe that its networks were trained by.
        networks: `denoiser`, `classifier` or both, or the `estimator` of a noise level, in evaluation mode.
        metrics: measured at the time of writing, such as the losses.
        classes: the class names of the classifier, if there is one.
    """

    recipe: Recipe
    networks: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically: the old file stays until the new one is complete.

    Raises:
        PellucidError: if it cannot be written, for lack of space or permission.
    """
    tensors = {}
    for role, network in checkpoint.networks.items():
        tensors |= {f"{role}.{name}": value for name, value in network.state_dict().items()}
    metadata = {
        "recipe": checkpoint.recipe.to_dict(),
        "networks": {role: _network_spec(network) for role, network in checkpoint.networks.items()},
        "metrics": checkpoint.metrics,
        "classes": list(checkpoint.classes),
    }
    write_tensors(path, tensors, metadata)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and build its networks.

    Raises:
        PellucidError: if the file is absent, cut short, a pickle, of another version, or holds values that are
            not finite or do not fit its networks.
    """
    tensors, metadata = read_tensors(path)
    if "networks" not in metadata:
        raise PellucidError(f"{path} holds the state of a training run: give the best.safetensors beside it")
    networks = {}
    for role, spec in metadata["networks"].items():
        network = _build_network(path, spec)
        prefix = f"{role}."
        state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise PellucidError(f"{path} does not fit the network it names: fetch or train it again") from error
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise PellucidError(f"{path} holds weights that are not finite: fetch or train it again")
        networks[role] = network.eval()
    recipe = Recipe.from_dict(metadata["recipe"])
    return Checkpoint(recipe, networks, metadata["metrics"], tuple(metadata["classes"]))


def combine(denoiser: Path, classifier: Path, out: Path) -> None:
    """Write one checkpoint that holds the denoiser of one file and the classifier of another."""
    first, second = load(denoiser), load(classifier)
    for path, checkpoint, role in ((denoiser, first, "denoiser"), (classifier, second, "classifier")):
        if role not in checkpoint.networks:
            raise UsageError(f"{path} holds no {role}: give the checkpoint of one")
    networks = {"denoiser": first.networks["denoiser"], "classifier": second.networks["classifier"]}
    save(out, Checkpoint(first.recipe, networks, first.metrics | second.metrics, second.classes))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write named tensors and JSON metadata as one safetensors file, atomically."""
    header = {"format": FORMAT, "metadata": json.dumps(metadata)}
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        # The library's own function makes a file that only its owner can read, and leaves a part of it when killed.
        temporary.write_bytes(to_safetensors(contiguous, header))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the metadata of a file that `write_tensors` wrote.

    Raises:
        PellucidError: if the file is absent, cut short, a pickle, or of another version.
    """
    try:
        with path.open("rb") as stream:
            refuse_pickle(path, stream.read(8), "convert it to safetensors first")
    except OSError as error:
        raise PellucidError(f"cannot read the checkpoint {path}: {error.strerror}") from error
    try:
        with safe_open(path, framework="pt") as file:
            header, names = file.metadata() or {}, file.keys()
            # Copies, since the library maps the file into memory.
            tensors = {name: file.get_tensor(name).clone() for name in names}
    except (SafetensorError, OSError) as error:
        raise PellucidError(f"{path} is cut short or no safetensors file: fetch or train it again") from error
    if header.get("format") == OLD_FORMAT:
        raise OldFormat(path, "checkpoint")
    if header.get("format") != FORMAT:
        found = header.get("format", "no Pellucid format")
        raise PellucidError(f"{path} has {found}, this version reads {FORMAT}: install the version that wrote it")
    return tensors, json.loads(header["metadata"])


def model_name(network: Any) -> str:
    """Return the registered name of a network's class, such as "unet"."""
    return type(network).__module__.rpartition(".")[2]


def _network_spec(network: Any) -> dict[str, Any]:
    return {"name": model_name(network), "options": network.options, "input_spec": network.input_spec.to_dict()}


def _build_network(path: Path, spec: Mapping[str, Any]) -> Any:
    try:
        network = registry.build("model", spec["name"], spec["options"])
    except UsageError as error:
        raise PellucidError(f"{path} names a network that this version cannot build: {error}") from error
    network.input_spec = InputSpec.from_dict(spec["input_spec"])
    return network
