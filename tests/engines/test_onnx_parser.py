"""What is no whole export of ours is refused in one line, before an engine sees it."""

import json
import pickle

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from pellucid.engines.onnx_parser import METADATA_KEY, read_onnx
from pellucid.engines.onnxruntime import OnnxRuntime
from pellucid.engines.openvino import OpenVino
from pellucid.errors import PellucidError
from pellucid.input_spec import InputSpec

DESCRIBED = {
    "format": 2,
    "name": "scale",
    "task": "denoise",
    "input_spec": InputSpec(channels=(1,), multiple_of=4).to_dict(),
    "conditional": False,
    "recipe": {"name": "scale"},
}


def model(weight: onnx.TensorProto, metadata: str | None = json.dumps(DESCRIBED), node: str = "Mul") -> onnx.ModelProto:
    """Return a network that multiplies by its weight."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, "H", "W"]) for name in ("noisy", "denoised")
    ]
    nodes = [helper.make_node(node, ["noisy", "weight"], ["denoised"])]
    graph = helper.make_graph(nodes, "scale", ends[:1], ends[1:], [weight])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if metadata is not None:
        helper.set_model_props(made, {METADATA_KEY: metadata})
    return made


def tensor(values, raw: bool = True) -> onnx.TensorProto:
    if raw:
        return numpy_helper.from_array(np.asarray(values, np.float32), "weight")
    return helper.make_tensor("weight", TensorProto.FLOAT, [len(values)], values)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def refusal(path, content: bytes) -> str:
    path.write_bytes(content)
    lines = set()
    for read in (read_onnx, lambda path: OnnxRuntime(path, 1), lambda path: OpenVino(path, 1)):
        with pytest.raises(PellucidError) as error:
            read(path)
        lines.add(str(error.value))
    (line,) = lines
    assert line.startswith(f"{path} ") and "\n" not in line
    return line.removeprefix(f"{path} ")


def test_a_whole_file_is_read_and_runs(path):
    path.write_bytes(model(tensor([0.5])).SerializeToString())
    read = read_onnx(path)
    assert (read.name, read.conditional, read.recipe) == ("scale", False, {"name": "scale"})
    assert read.input_spec == InputSpec(channels=(1,), multiple_of=4)
    ones = np.ones((2, 1, 3, 5), np.float32)
    np.testing.assert_array_equal(OnnxRuntime(path, 1)(ones), ones / 2)


def test_every_cut_is_noticed(path):
    whole = model(tensor(np.ones(100))).SerializeToString()
    for length in range(0, len(whole), 7):
        line = refusal_of_reading(path, whole[:length])
        assert "is cut short" in line or "lacks the metadata" in line


def refusal_of_reading(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(PellucidError) as error:
        read_onnx(path)
    return str(error.value)


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(tmp_path_factory, content):
    refusal_of_reading(tmp_path_factory.mktemp("any") / "model.onnx", content)


@pytest.mark.parametrize("content", [pickle.dumps([1]), b"PK\x03\x04rest"])
def test_a_pickle_is_never_loaded(path, content):
    assert refusal(path, content) == "is a pickle, which is never loaded: export it to ONNX first"


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"not ONNX", b"\x0f\xff" * 20])
def test_another_kind_of_file(path, content):
    assert refusal(path, content) == "is cut short or no ONNX file: fetch or export it again"


def test_a_file_that_is_absent(path):
    with pytest.raises(PellucidError, match=r"cannot read the network .*model.onnx: No such file"):
        read_onnx(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("raw", [True, False])
def test_weights_that_are_not_finite(path, value, raw):
    line = refusal(path, model(tensor([0.5, value], raw)).SerializeToString())
    assert line == "holds weights that are not finite: fetch or export it again"


def test_weights_that_are_not_finite_in_half_precision_or_deep_inside(path):
    half = numpy_helper.from_array(np.array([np.nan], np.float16), "weight")
    assert "not finite" in refusal(path, model(half).SerializeToString())
    made = model(tensor([1.0]))
    made.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor([np.nan])))
    assert "not finite" in refusal(path, made.SerializeToString())


def test_weights_in_another_file(path):
    weight = tensor([1.0])
    set_external_data(weight, "weights.bin")
    message = "keeps its weights in other files, which is refused: export it again, in one file"
    assert refusal(path, model(weight).SerializeToString()) == message
    weight.data_location = TensorProto.EXTERNAL
    weight.ClearField("raw_data")
    assert refusal(path, model(weight).SerializeToString()) == message


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, 'lacks the metadata "pellucid": give a file that pellucid export wrote'),
        ("{", "has metadata that this version cannot read: export it again"),
        ("[]", "has metadata that this version cannot read: export it again"),
        (json.dumps({"format": 2, "task": "denoise"}), "has metadata that this version cannot read: export it again"),
        (json.dumps(DESCRIBED | {"input_spec": 3}), "has metadata that this version cannot read: export it again"),
        (json.dumps(DESCRIBED | {"task": "sing"}), 'holds a network for the task "sing": give one for "denoise"'),
    ],
)
def test_metadata_that_is_absent_or_invalid(path, metadata, message):
    assert refusal(path, model(tensor([1.0]), metadata).SerializeToString()) == message


@pytest.mark.parametrize("engine", [OnnxRuntime, OpenVino])
def test_a_network_that_the_engine_cannot_run(path, engine):
    path.write_bytes(model(tensor([1.0]), node="Sing").SerializeToString())
    with pytest.raises(PellucidError, match=r"model.onnx cannot be run .*: fetch or export it again") as error:
        engine(path, 1)
    assert "\n" not in str(error.value)
