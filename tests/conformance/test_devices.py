"""No component makes a tensor on another device than its inputs; the meta device, which has no data, stands for it."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pellucid import registry
from pellucid.objectives.batch import TrainingBatch

OPTIONS = {
    ("noise", "chain"): {"parts": [{"name": "gaussian"}, {"name": "jpeg"}]},
    ("model", "unet"): {"channels": 3, "widths": [4, 8], "condition": True, "residual": False},
    ("model", "conv"): {"channels": 3, "widths": [4, 8]},
    ("model", "dense"): {"image": [3, 16, 16], "widths": [8]},
    ("model", "classifier"): {"image": [3, 16, 16], "widths": [8]},
}
MODEL_OF_OBJECTIVE = {"classification": "classifier", "noise_level": "noise_level"}
# They compute with numbers or positions that they read from a tensor, of which the meta device has none.
READ_VALUES = {("noise", "document"), ("noise", "mix"), ("noise", "stripes"), ("objective", "noise2void")}
COMPONENTS = [(kind, name) for kind in ("noise", "model", "loss", "objective") for name in registry.names(kind)]


class AllOn(TorchDispatchMode):
    """Fails where an operation returns a tensor on another device."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            assert not isinstance(value, torch.Tensor) or value.device.type == self.device, f"{func}: {value.device}"
        return result


def build(kind, name):
    return registry.build(kind, name, OPTIONS.get((kind, name), {}))


def prepare(kind, name, device):
    """Return a function that runs a component on tensors of a device, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    images, sigma = torch.rand(4, 3, 16, 16, device=device), torch.rand(4, device=device)
    labels = torch.zeros(4, dtype=torch.long, device=device)
    component = build(kind, name)
    if kind == "noise":
        return lambda: component(images, generator)
    if kind == "loss":
        prediction = images.clone().requires_grad_()
        return lambda: component(prediction, images).backward()
    if kind == "model":
        network = component.to(device)
        return lambda: sum(part.sum() for part in tree_leaves(network(images, *[sigma] * network_takes_sigma(name))))
    network = build("model", MODEL_OF_OBJECTIVE.get(name, "unet")).to(device)
    batch = TrainingBatch(images, images.flip(0), sigma, labels, generator)
    return lambda: component(network, build("loss", "mse"), batch).backward()


def network_takes_sigma(name):
    return OPTIONS.get(("model", name), {}).get("condition", False)


@pytest.mark.parametrize(("kind", "name"), [part for part in COMPONENTS if part not in READ_VALUES])
def test_all_tensors_are_on_the_device_of_the_inputs(kind, name):
    run = prepare(kind, name, "meta")
    with AllOn("meta"):
        run()


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_no_tensor_is_made_on_the_default_device(kind, name):
    run = prepare(kind, name, "cpu")
    with torch.device("meta"), AllOn("cpu"):
        run()
