"""Export a network as an ONNX file, which is compared with torch before it is saved."""

import copy
import dataclasses
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pellucid.engines.onnx_parser import FORMAT, METADATA_KEY, read_onnx
from pellucid.engines.onnxruntime import Session
from pellucid.errors import PellucidError, UsageError
from pellucid.models.base import is_conditional
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.optional_imports import import_optional

OPSET = 20
OUTPUTS = {"denoise": ("denoised",), "classify": ("logits",), "estimate": ("sigma", "spread")}
TOLERANCE = 1e-3  # a quarter of a step of 8 bits
MIN_HALF_SIZE = 1024  # smaller tensors stay float32: they save nothing
SIZES = ((1, 8, 8), (2, 13, 22), (3, 33, 16), (1, 70, 51))  # count, height, width


@dataclasses.dataclass(frozen=True)
class ExportResult:
    """The exported file.

    Attributes:
        path: the file.
        bytes: its size.
        difference: the largest difference from torch on random inputs, with white at 1.
        rounding: the largest difference due to weights in half precision; 0 in full precision.
    """

    path: Path
    bytes: int
    difference: float
    rounding: float


def export(network: nn.Module, path: Path, name: str, recipe: Mapping[str, Any], half: bool = False) -> ExportResult:
    """Write a network as one ONNX file; height, width and batch size stay dynamic unless the network has a fixed size.

    Inputs are `noisy` (N, C, H, W) and, if it is conditional, `sigma` (N,); the output is `denoised` (`logits` of a
    classifier, `sigma` and `spread` of an estimator of the noise level), all float32.

    Args:
        network: a model from the registry, on the CPU.
        path: the output; an existing file is only replaced once the new one is complete and checked.
        name: the name of the network, stored in the file.
        recipe: the recipe of its training as JSON values, stored in the file.
        half: whether to store the weights in float16; the computation is in float32.

    Raises:
        UsageError: if the path does not end in .onnx.
        PellucidError: if the exporter is not installed, weights are not finite, the results differ from torch's, or the
            file cannot be written.
    """
    if path.suffix != ".onnx":
        raise UsageError(f"{path} does not end in .onnx: give a name that does")
    network = copy.deepcopy(network).eval()
    if not _finite(network):
        raise PellucidError(f'"{name}" has weights that are not finite: train it again')
    stored = _to_half(network, name) if half else network
    content = _model(stored, _metadata(network, name, recipe), half)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
        difference, rounding = _compare(temporary, network, stored)
        if not difference <= TOLERANCE:
            raise PellucidError(f"{path} is not written: its results differ from torch's by {difference:.2g}")
    return ExportResult(path, len(content), difference, rounding)


def _metadata(network: Any, name: str, recipe: Mapping[str, Any]) -> str:
    described = {
        "format": FORMAT,
        "name": name,
        "task": network.task,
        "input_spec": network.input_spec.to_dict(),
        "conditional": is_conditional(network),
        "recipe": dict(recipe),
    }
    return json.dumps(described)


def _to_half(network: Any, name: str) -> Any:
    """Return the network with the weights rounded to half precision, except small tensors."""
    rounded = copy.deepcopy(network)
    for parameter in rounded.parameters():
        if parameter.numel() >= MIN_HALF_SIZE:
            parameter.data = parameter.data.half().float()
    if not _finite(rounded):
        raise PellucidError(f'"{name}" has weights too large for half precision: export it in full precision')
    return rounded


def _finite(network: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in network.state_dict().values())


def _example(network: Any, count: int, height: int, width: int) -> dict[str, torch.Tensor]:
    """Return random inputs by name, in the fixed size of the network if it has one."""
    spec = network.input_spec
    generator = torch.Generator().manual_seed(count * height * width)
    size = spec.fixed_size or (height, width)
    inputs = {"noisy": torch.rand((count, spec.channels[0], *size), generator=generator)}
    if is_conditional(network):
        inputs["sigma"] = torch.rand(count, generator=generator) * 0.2
    return inputs


def _compare(path: Path, network: Any, stored: Any) -> tuple[float, float]:
    """Return the largest difference of the results of the file from torch's, and of `stored` from `network`."""
    run = Session(path, read_onnx(path, network.task), threads=1)
    difference = rounding = 0.0
    step = network.input_spec.multiple_of
    for count, height, width in SIZES:
        inputs = _example(network, count, -(-height // step) * step, -(-width // step) * step)
        with torch.no_grad():
            expected, exact = (_tensors(part(*inputs.values())) for part in (stored, network))
        outputs = run({name: value.numpy() for name, value in inputs.items()})
        for actual, saved, unrounded in zip(outputs, expected, exact, strict=True):
            difference = max(difference, float(np.abs(actual - saved.numpy()).max()))
            rounding = max(rounding, float((saved - unrounded).abs().max()))
    return difference, rounding


def _tensors(output: Any) -> tuple[torch.Tensor, ...]:
    return (output,) if isinstance(output, torch.Tensor) else tuple(output)


def _model(network: Any, metadata: str, half: bool) -> bytes:
    """Return the network as the bytes of an ONNX file."""
    import_optional("onnxscript", "train", "pellucid export")
    inputs = _example(network, 2, network.input_spec.multiple_of * 8, network.input_spec.multiple_of * 9)
    dynamic = torch.export.Dim.DYNAMIC
    dynamic_sizes = {} if network.input_spec.fixed_size else {2: dynamic, 3: dynamic}
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about future names
        program: Any = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple({0: dynamic, **(dynamic_sizes if key == "noisy" else {})} for key in inputs),
            input_names=list(inputs),
            output_names=list(OUTPUTS[network.task]),
            opset_version=OPSET,
            verbose=False,
        )
    return _finalize(program.model_proto, metadata, half)


def _finalize(model: Any, metadata: str, half: bool) -> bytes:
    """Return the bytes of an ONNX model with our metadata; that of the exporter names files of this machine."""
    onnx = import_optional("onnx", "train", "pellucid export")
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")
    for value in (*graph.input, *graph.output):
        for axis, size in zip("NCHW", value.type.tensor_type.shape.dim, strict=False):
            if size.dim_param:
                size.dim_param = axis
    if half:
        _store_halves(onnx, graph)
    model.metadata_props.add(key=METADATA_KEY, value=metadata)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _store_halves(onnx: Any, graph: Any) -> None:
    """Replace each large float32 tensor by a float16 one and a cast, which engines compute once while loading."""
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= MIN_HALF_SIZE:
            name, half_name = tensor.name, f"{tensor.name}.half"
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), half_name))
            casts.append(onnx.helper.make_node("Cast", [half_name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    graph.ClearField("node")
    graph.node.extend(nodes)
