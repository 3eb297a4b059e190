"""Checkpoints and ONNX files of format 1: their metadata is rewritten, their weights are copied byte by byte."""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from pellucid.format_1.recipe import upgrade_options, upgrade_recipe
from pellucid.recipes.recipe import Recipe
from pellucid.utils.protobuf import read_varint

OLD_CHECKPOINT, CHECKPOINT = "pellucid-1", "pellucid-2"
INPUT_SPEC = {"white": "data_range"}
METADATA = {"figures": "metrics"}
COUNTERS = {
    "done": "global_step",
    "seen": "num_samples",
    "seconds": "epoch_seconds",
    "best": "best_loss",
    "waited": "epochs_without_improvement",
}
EMA, RANDOM_STATE = ("averaged.", "ema."), "generator"
ONNX_KEY = b"pellucid"
ONNX_METADATA = 14  # the field `metadata_props` of a ModelProto, onnx.proto3
ALIGNMENT = 8


def upgrade_checkpoint(content: bytes) -> bytes | None:
    """Return a safetensors file in format 2, or None if it is not of format 1.

    Raises:
        ValueError, KeyError, struct.error: if the file is damaged.
    """
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[ALIGNMENT : ALIGNMENT + length])
    old = header.pop("__metadata__", {})
    if old.get("format") != OLD_CHECKPOINT:
        return None
    metadata = json.dumps(_upgrade_metadata(json.loads(old["described"])))
    data, tensors, parts, end = content[ALIGNMENT + length :], {}, [], 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if name == RANDOM_STATE:
            continue
        start, stop = tensor["data_offsets"]
        parts.append(data[start:stop])
        if len(parts[-1]) != stop - start:
            raise ValueError("the file ends within its weights")
        renamed = EMA[1] + name.removeprefix(EMA[0]) if name.startswith(EMA[0]) else name
        tensors[renamed] = tensor | {"data_offsets": [end, end + stop - start]}
        end += stop - start
    text = json.dumps({"__metadata__": {"format": CHECKPOINT, "metadata": metadata}} | tensors).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def upgrade_onnx(content: bytes) -> bytes | None:
    """Return an ONNX file in format 2, or None if it is not of format 1.

    Raises:
        ValueError, KeyError, IndexError: if the file is damaged.
    """
    upgraded, is_old = [], False
    for number, value, field in _fields(content):
        if number == ONNX_METADATA:
            pair = {key: part for key, part, _ in _fields(value)}
            metadata = json.loads(pair[2]) if pair.get(1) == ONNX_KEY else {"format": 2}
            if metadata.get("format", 1) == 1:
                is_old = True
                text = json.dumps(_upgrade_onnx_metadata(metadata)).encode()
                field = _bytes_field(ONNX_METADATA, _bytes_field(1, ONNX_KEY) + _bytes_field(2, text))
        upgraded.append(field)
    return b"".join(upgraded) if is_old else None


def rename(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a dictionary with some of its keys renamed."""
    return {names.get(key, key): value for key, value in values.items()}


def _upgrade_metadata(old: Mapping[str, Any]) -> dict[str, Any]:
    new = rename(old, METADATA) | {"recipe": upgrade_recipe(old["recipe"])}
    Recipe.from_dict(new["recipe"])
    if "networks" in old:
        new["networks"] = {role: _upgrade_network(network) for role, network in old["networks"].items()}
    if "counters" in old:
        new["counters"] = rename(old["counters"], COUNTERS)
    return new


def _upgrade_network(network: Mapping[str, Any]) -> dict[str, Any]:
    options = upgrade_options("model", network["name"], network["options"])
    return {**network, "options": options, "input_spec": rename(network["input_spec"], INPUT_SPEC)}


def _upgrade_onnx_metadata(old: Mapping[str, Any]) -> dict[str, Any]:
    input_spec, recipe = rename(old["input_spec"], INPUT_SPEC), upgrade_recipe(old["recipe"])
    return {"format": 2, **old, "input_spec": input_spec, "recipe": recipe}


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, the content and all bytes of each field of a protobuf message."""
    position = 0
    while position < len(message):
        start = position
        key, position = read_varint(message, position)
        content = position
        if key & 7 == 0:
            _, position = read_varint(message, position)
        elif key & 7 == 2:
            length, content = read_varint(message, position)
            position = content + length
        else:
            position += {1: 8, 5: 4}[key & 7]
        if position > len(message):
            raise ValueError("a field ends after its message")
        yield key >> 3, message[content:position], message[start:position]


def _bytes_field(number: int, content: bytes) -> bytes:
    length, encoded = len(content), bytearray([number << 3 | 2])
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes(encoded) + bytes([length]) + content
