"""The weights that training starts from: those of a shipped network, or of a checkpoint of the user's."""

from typing import Any

from torch import Tensor

from pellucid import checkpoint
from pellucid.errors import UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.weights import check_file, find


def starting_weights(recipe: Recipe) -> dict[str, Tensor] | None:
    """Return the weights that `train.start` names, or None where it names none.

    Raises:
        UsageError: if they are of another network than the recipe's, naming what differs, or an exported file.
        PellucidError: if the file is absent or broken.
    """
    start = recipe.train.start
    if not start:
        return None
    found = find(start)
    if found.safetensors is None:
        raise UsageError(f'train.start = "{start}" is an exported network: give its .safetensors checkpoint')
    check_file(found.safetensors, found.sha256(found.safetensors))
    model = recipe.build("model")
    for network in checkpoint.load(found.safetensors).networks.values():
        if network.task == model.task:
            _check_alike(start, recipe.model.name, model.options, network)
            return network.state_dict()
    raise UsageError(f'train.start = "{start}" holds no network that can {model.task}: give one that does')


def _check_alike(start: str, name: str, options: dict[str, Any], network: Any) -> None:
    """Raise UsageError if a network is of another kind, or has other options."""
    kind = type(network).__module__.rpartition(".")[2]
    if kind != name:
        raise UsageError(f'train.start = "{start}" is a {kind}, but the recipe has model.name = "{name}": take {kind}')
    differing = [key for key, value in network.options.items() if options.get(key) != value]
    if differing:
        found, wanted = (
            ", ".join(f"{key} = {values[key]}" for key in differing) for values in (network.options, options)
        )
        raise UsageError(
            f'train.start = "{start}" is a {kind} of {found}, but [model] has {wanted}: set the same, or train from '
            'scratch with train.start = ""'
        )
