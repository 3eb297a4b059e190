"""The weights that training starts from: those of a shipped network or of the user's own checkpoint."""

from typing import Any

from torch import Tensor

from pellucid import checkpoint
from pellucid.errors import UsageError
from pellucid.recipes.recipe import Recipe
from pellucid.weights.catalog import check_file, find


def pretrained_weights(recipe: Recipe) -> dict[str, Tensor] | None:
    """Return the weights that `train.start` names, or None where it names none.

    Raises:
        UsageError: if they belong to a network other than the recipe's, naming the difference, or are an exported file.
        PellucidError: if the file is absent or broken.
    """
    start = recipe.train.start
    if not start:
        return None
    files = find(start)
    if files.safetensors is None:
        raise UsageError(f'train.start = "{start}" is an exported network: give its .safetensors checkpoint')
    check_file(files.safetensors, files.sha256(files.safetensors))
    model = recipe.build("model")
    for network in checkpoint.load(files.safetensors).networks.values():
        if network.task == model.task:
            _check_same_architecture(start, recipe.model.name, model.options, network)
            return network.state_dict()
    raise UsageError(f'train.start = "{start}" holds no network that can {model.task}: give one that does')


def _check_same_architecture(start: str, name: str, options: dict[str, Any], network: Any) -> None:
    """Raise UsageError if a network is of another kind, or has other options."""
    kind = checkpoint.model_name(network)
    if kind != name:
        raise UsageError(f'train.start = "{start}" is a {kind}, but the recipe has model.name = "{name}": take {kind}')
    different = [key for key, value in network.options.items() if options.get(key) != value]
    if different:
        actual, expected = (
            ", ".join(f"{key} = {values[key]}" for key in different) for values in (network.options, options)
        )
        raise UsageError(
            f'train.start = "{start}" is a {kind} of {actual}, but [model] has {expected}: set the same, or train from '
            'scratch with train.start = ""'
        )
