"""An exported network gives what torch gives, at every size that it takes, and a bad one is never put in place."""

import numpy as np
import onnx
import pytest
import torch

from pellucid import registry
from pellucid.engines import onnx_export as exporting
from pellucid.engines.onnx_export import export
from pellucid.engines.onnx_parser import read_onnx
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError, UsageError

NETWORKS = [
    ("dense", {"image": [1, 9, 7], "widths": [80]}),
    ("conv", {"widths": [4, 12]}),
    ("conv", {"channels": 3, "widths": [12, 4], "up": "bilinear", "norm": "batch", "upsample": "after"}),
    ("conv", {"widths": [4, 4], "up": "deconv", "pool": "stride", "kernel": 5}),
    ("unet", {"widths": [4, 8]}),
    ("unet", {"channels": 3, "widths": [8, 40], "condition": True, "blocks": 2}),
    ("unet", {"channels": 3, "widths": [8, 12], "condition": True, "shuffle": 2}),
    ("unet", {"widths": [4, 8], "residual": False, "output": "sigmoid"}),
    ("classifier", {"image": [1, 9, 7], "kind": "cnn"}),
    ("noise_level", {}),
]


def built(name, options):
    torch.manual_seed(0)
    network = registry.build("model", name, options)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            state = {
                "running_mean": torch.rand(module.num_features),
                "running_var": 1 + torch.rand(module.num_features),
            }
            module.load_state_dict(state, strict=False)
    return network


def inputs_of(network, count, rows, columns):
    """Return random inputs by name, rows and columns in units of the network's step."""
    spec = network.input_spec
    size = spec.fixed_size or (rows * spec.multiple_of, columns * spec.multiple_of)
    named = {"noisy": torch.rand(count, spec.channels[0], *size)}
    if network.options.get("condition"):
        named["sigma"] = torch.rand(count)
    return named


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda named: named[0])
def pair(request, tmp_path_factory):
    """A network, still in training mode, and the file that it was exported to."""
    network = built(*request.param)
    path = tmp_path_factory.mktemp("exported") / "x.onnx"
    exported = export(network, path, "its name", {"a": [1]})
    assert exported.bytes == path.stat().st_size and exported.difference < 1e-4 and exported.rounding == 0
    assert network.training
    return network, path


def assert_same(network, path, atol):
    network.eval()
    run = Session(path, read_onnx(path, network.task), 1)
    for count, rows, columns in ((1, 1, 1), (1, 8, 9), (3, 5, 11), (2, 17, 4)):
        inputs = inputs_of(network, count, rows, columns)
        with torch.no_grad():
            expected = network(*inputs.values())
        found = run({key: value.numpy() for key, value in inputs.items()})
        for got, wanted in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), atol=atol)


def test_the_file_gives_what_torch_gives_at_any_size(pair):
    assert_same(*pair, atol=1e-5)


def test_the_file_says_what_it_is_and_nothing_of_this_machine(pair):
    network, path = pair
    read = read_onnx(path, network.task)
    assert (read.name, read.recipe, read.input_spec) == ("its name", {"a": [1]}, network.input_spec)
    assert read.conditional == network.options.get("condition", False)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.key for entry in model.metadata_props] == ["pellucid"]
    content = path.read_bytes()
    assert b".py" not in content and b"pkg.torch" not in content
    free = [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim]
    assert free == (["N", "", "", ""] if network.input_spec.fixed_size else ["N", "", "H", "W"])


def test_the_same_network_gives_the_same_bytes(tmp_path):
    network = built("unet", {"widths": [4, 8]})
    for name in ("a.onnx", "b.onnx"):
        export(network, tmp_path / name, "x", {})
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_half_precision_halves_the_file_and_reports_the_error(tmp_path):
    network = built("unet", {"channels": 3, "widths": [32, 64], "condition": True})
    full, half = (export(network, tmp_path / f"{half}.onnx", "x", {}, half) for half in (False, True))
    assert half.bytes < 0.55 * full.bytes
    assert full.rounding == 0 < half.rounding < 1e-3
    assert_same(network, half.path, atol=1e-3)


def test_weights_too_large_for_half_precision_are_refused(tmp_path):
    network = built("dense", {"image": [1, 9, 7], "widths": [80]})
    with torch.no_grad():
        network.encoder[0].weight[0, 0] = 1e5
    message = '"x" has weights too large for half precision: export it in full precision'
    with pytest.raises(PellucidError, match=message):
        export(network, tmp_path / "x.onnx", "x", {}, half=True)
    assert export(network, tmp_path / "x.onnx", "x", {}).rounding == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_and_the_old_file_stays(value, tmp_path):
    network = built("conv", {"widths": [4]})
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = value
    path = tmp_path / "x.onnx"
    path.write_text("old")
    with pytest.raises(PellucidError, match='"x" has weights that are not finite: train it again'):
        export(network, path, "x", {})
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_file_that_differs_from_torch_is_not_put_in_place(tmp_path, monkeypatch):
    finished = exporting._finalize

    def wrong(model, metadata, half):
        (bias,) = [tensor for tensor in model.graph.initializer if tensor.name == "tail.bias"]
        bias.CopyFrom(onnx.numpy_helper.from_array(np.ones(1, np.float32), "tail.bias"))
        return finished(model, metadata, half)

    monkeypatch.setattr(exporting, "_finalize", wrong)
    path = tmp_path / "x.onnx"
    with pytest.raises(PellucidError, match=r"x\.onnx is not written: its results differ from torch's by 1"):
        export(built("unet", {"widths": [4, 8]}), path, "x", {})
    assert not list(tmp_path.iterdir())


def test_another_suffix_and_a_folder_that_is_absent_are_refused(tmp_path):
    network = built("conv", {"widths": [4]})
    with pytest.raises(UsageError, match=r"x\.pt does not end in \.onnx"):
        export(network, tmp_path / "x.pt", "x", {})
    with pytest.raises(PellucidError, match="its folder does not exist; create it first"):
        export(network, tmp_path / "gone" / "x.onnx", "x", {})
