"""Read and check ONNX files without a library, before an engine sees them.

Only the metadata and the tensors of the weights are parsed (onnx.proto3; protobuf.dev/programming-guides/encoding).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import OldFormat, PellucidError
from pellucid.input_spec import InputSpec
from pellucid.utils.json_npz import refuse_pickle
from pellucid.utils.protobuf import read_varint
from pellucid.weights.catalog import check_content

METADATA_KEY = "pellucid"
FORMAT = 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
TENSOR = "tensor"
# The fields of each message that lead to tensors.
TENSOR_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: TENSOR, 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: TENSOR, 6: "graph", 10: TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: TENSOR},
}
METADATA, DATA_TYPE, FLOAT_DATA, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 14, 2, 4, 9, 13, 14
FLOATS = {1: "<f4", 10: "<f2", 11: "<f8"}


@dataclass(frozen=True)
class CheckedModel:
    """The content of any ONNX file that passed the checks.

    Attributes:
        content: the whole file.
        metadata: its metadata by key.
    """

    content: bytes
    metadata: dict[str, str]


@dataclass(frozen=True)
class OnnxFile:
    """A checked file from `pellucid export`.

    Attributes:
        content: the whole file.
        name: the name of the network.
        task: its task, such as `denoise`.
        input_spec: the images that it accepts.
        conditional: whether it takes a noise level.
        recipe: the recipe that it was trained by.
    """

    content: bytes
    name: str
    task: str
    input_spec: InputSpec
    conditional: bool
    recipe: dict[str, Any]

    def inputs(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return the inputs by name, as float32; a conditional network without `sigma` gets 0."""
        named = {"noisy": np.ascontiguousarray(noisy, np.float32)}
        if self.conditional:
            named["sigma"] = np.zeros(len(noisy), np.float32) if sigma is None else sigma.astype(np.float32)
        return named


def read_onnx(path: Path, task: str = "denoise", sha256: str | None = None) -> OnnxFile:
    """Read and check an ONNX file that `pellucid export` wrote.

    Args:
        path: the file.
        task: the task that its network must have.
        sha256: the SHA-256 of the content on its card; None is not checked.

    Raises:
        PellucidError: as `read_checked_model`, and if `pellucid export` did not write it, or its task is another.
    """
    read = read_checked_model(path, sha256)
    if METADATA_KEY not in read.metadata:
        raise PellucidError(f'{path} lacks the metadata "{METADATA_KEY}": give a file that pellucid export wrote')
    file = _parse_metadata(path, read.content, read.metadata[METADATA_KEY])
    if file.task != task:
        raise PellucidError(f'{path} holds a network for the task "{file.task}": give one for "{task}"')
    return file


def read_checked_model(path: Path, sha256: str | None = None) -> CheckedModel:
    """Read any ONNX file, and check that it is complete and needs no other files.

    Raises:
        PellucidError: if it is absent, cut short or a pickle, does not have this `sha256`, keeps its weights in other
            files, or holds weights that are not finite.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PellucidError(f"cannot read the network {path}: {error.strerror}") from error
    check_content(path, content, sha256)
    refuse_pickle(path, content, "export it to ONNX first")
    try:
        view = memoryview(content)
        metadata = _metadata(view)
        for tensor in _tensors(view, "model"):
            _check(path, tensor)
    except (ValueError, IndexError, KeyError, TypeError, RecursionError) as error:
        raise PellucidError(f"{path} is cut short or no ONNX file: fetch or export it again") from error
    return CheckedModel(content, metadata)


def _parse_metadata(path: Path, content: bytes, text: str) -> OnnxFile:
    try:
        found = json.loads(text)
        if found.get("format", 1) == 1:
            raise OldFormat(path, "network")
        spec = InputSpec.from_dict(found["input_spec"])
        return OnnxFile(content, found["name"], found["task"], spec, found["conditional"], found["recipe"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise PellucidError(f"{path} has metadata that this version cannot read: export it again") from error


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the number and the value of each field of a message: an integer, or bytes."""
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, position = read_varint(data, position)
        else:
            length, position = (
                read_varint(data, position) if kind == BYTES else ({FIXED64: 8, FIXED32: 4}[kind], position)
            )
            value = data[position : position + length]
            if len(value) < length:
                raise ValueError("a field ends after the message")
            position += length
        yield number, value


def _metadata(model: memoryview) -> dict[str, str]:
    pairs = (dict(_fields(value)) for number, value in _fields(model) if number == METADATA)
    return {str(pair.get(1, b""), "utf-8"): str(pair.get(2, b""), "utf-8") for pair in pairs}


def _tensors(message: memoryview, kind: str) -> Iterator[dict[int, Any]]:
    """Yield the fields of each tensor in a message, at any depth."""
    for number, value in _fields(message):
        inner = TENSOR_FIELDS[kind].get(number)
        if inner == TENSOR:
            yield dict(_fields(value))
        elif inner:
            yield from _tensors(value, inner)


def _check(path: Path, tensor: dict[int, Any]) -> None:
    if EXTERNAL_DATA in tensor or tensor.get(DATA_LOCATION):
        raise PellucidError(f"{path} keeps its weights in other files, which is refused: export it again, in one file")
    dtype = FLOATS.get(tensor.get(DATA_TYPE, 0))
    if dtype:
        values = np.frombuffer(tensor.get(RAW_DATA) or tensor.get(FLOAT_DATA, b""), dtype)
        if not np.isfinite(values).all():
            raise PellucidError(f"{path} holds weights that are not finite: fetch or export it again")
