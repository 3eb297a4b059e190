"""A classifier's file is run as it is meant, or refused in one line; nothing is unpickled."""

import pickle

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

from pellucid import checkpoint, registry
from pellucid.engines.onnx_export import export
from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate.classifiers import load_classifier
from pellucid.recipes.recipe import Recipe

TABLES = {
    "name": "reader",
    "summary": "For the tests",
    "data": {"name": "digits"},
    "model": {"name": "classifier", "image": [1, 8, 8]},
    "objective": {"name": "classification"},
    "train": {"epochs": 1, "batch_size": 8, "lr": 0.1},
}
FLOAT, HALF, BYTES, NUMBERS = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64


def brightness(path, shape=("N", 1, 8, 8), kind=FLOAT, answer="scores", data_range=1.0):
    """Write a classifier of two classes, dark and bright: scores (1 - mean, mean), or the numbers alone."""
    axes = list(range(1, len(shape)))
    constants = [
        numpy_helper.from_array(np.array(axes, np.int64), "axes"),
        numpy_helper.from_array(np.array([-1], np.int64), "column"),
        numpy_helper.from_array(np.array(1, np.float32), "one"),
        numpy_helper.from_array(np.array(data_range, np.float32), "data_range"),
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=FLOAT),
        helper.make_node("Div", ["floats", "data_range"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "axes"], ["flat"], keepdims=0),
        helper.make_node("Unsqueeze", ["flat", "column"], ["mean"]),
        helper.make_node("Sub", ["one", "mean"], ["rest"]),
        helper.make_node("Concat", ["rest", "mean"], ["scores"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["numbers"], axis=1, keepdims=0),
    ]
    outputs = {
        "scores": helper.make_tensor_value_info("scores", FLOAT, [shape[0], 2]),
        "numbers": helper.make_tensor_value_info("numbers", NUMBERS, [shape[0]]),
        "flat": helper.make_tensor_value_info("flat", FLOAT, [shape[0]]),
    }
    given = [helper.make_tensor_value_info("images", kind, list(shape))]
    graph = helper.make_graph(nodes, "brightness", given, [outputs[answer]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture
def images():
    """Four images, the odd ones bright, (4, 1, 8, 8)."""
    values = np.array([0.1, 0.9, 0.2, 0.8], np.float32)
    return np.broadcast_to(values[:, None, None, None], (4, 1, 8, 8)).copy()


@pytest.mark.parametrize("answer", ["scores", "numbers"])
@pytest.mark.parametrize(
    "shape", [("N", 1, 8, 8), (None, 1, None, None), ("N", 8, 8, 1), ("N", 64), (1, 1, 8, 8), (3, 1, 8, 8)]
)
def test_an_onnx_classifier_takes_images_however_it_was_made(tmp_path, images, shape, answer):
    read = load_classifier(brightness(tmp_path / "a.onnx", shape, answer=answer), threads=1)
    found = read(images)
    assert found.shape == ((4, 2) if answer == "scores" else (4,))
    assert (found.argmax(axis=1) if answer == "scores" else found).tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(("kind", "data_range"), [(HALF, 1.0), (BYTES, 255.0), (TensorProto.DOUBLE, 1.0)])
def test_other_types_get_their_data_range(tmp_path, images, kind, data_range):
    read = load_classifier(brightness(tmp_path / "a.onnx", kind=kind, data_range=data_range), threads=1)
    np.testing.assert_allclose(read(images)[:, 1], [0.1, 0.9, 0.2, 0.8], atol=0.002)


def test_many_images_go_in_parts(tmp_path, images):
    read = load_classifier(brightness(tmp_path / "a.onnx"), threads=1)
    np.testing.assert_array_equal(read(images.repeat(50, axis=0)).argmax(axis=1), np.repeat([0, 1, 0, 1], 50))


def test_ours_are_read_from_a_checkpoint_and_from_an_export_alike(tmp_path, images):
    torch.manual_seed(0)
    network = registry.build("model", "classifier", {"image": [1, 8, 8], "classes": 3}).eval()
    recipe, path = Recipe.from_dict(TABLES), tmp_path / "a.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(recipe, {"classifier": network}, classes=("a", "b", "c")))
    export(network, tmp_path / "a.onnx", "reader", recipe.to_dict())
    ours, exported = load_classifier(path), load_classifier(tmp_path / "a.onnx", threads=1)
    assert ours.classes == ("a", "b", "c") and exported.classes == ()
    np.testing.assert_allclose(ours(images), exported(images), atol=1e-5)
    with torch.no_grad():
        np.testing.assert_allclose(ours(images), network(torch.from_numpy(images)).numpy(), atol=1e-6)


def test_images_that_do_not_fit_are_refused(tmp_path, images):
    read = load_classifier(brightness(tmp_path / "a.onnx"), threads=1)
    with pytest.raises(UsageError, match=r"the images are 1x9x8, .*a.onnx takes 1x8x8: resize or convert them"):
        read(np.zeros((2, 1, 9, 8), np.float32))
    rows = load_classifier(brightness(tmp_path / "b.onnx", ("N", 64)), threads=1)
    with pytest.raises(UsageError, match=r"the images are 72, .*b.onnx takes 64"):
        rows(np.zeros((2, 1, 9, 8), np.float32))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.mark.parametrize("name", ["a.pkl", "a.joblib", "a.pt", "a.bin", "a.onnx", "a.safetensors"])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_refused_whatever_it_is_called(tmp_path, name, protocol):
    (tmp_path / name).write_bytes(pickle.dumps(Bomb(), protocol))
    with pytest.raises(PellucidError) as error:
        load_classifier(tmp_path / name)
    if protocol or name in ("a.pkl", "a.joblib", "a.pt"):
        assert "is a pickle, which is never loaded: " in str(error.value)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_files_without_a_classifier_are_refused(tmp_path, exported):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UsageError, match=r"a.txt is no classifier: give a .safetensors checkpoint or an .onnx file"):
        load_classifier(tmp_path / "a.txt")
    for name in ("gone.onnx", "gone.txt"):
        with pytest.raises(PellucidError, match=f"cannot read the .*{name}"):
            load_classifier(tmp_path / name)
    with pytest.raises(PellucidError, match=r"small.onnx does not take images"):
        load_classifier(exported)
    flat = load_classifier(brightness(tmp_path / "flat.onnx", answer="flat"), threads=1)
    with pytest.raises(PellucidError, match="gives neither scores"):
        flat(np.zeros((1, 1, 8, 8), np.float32))
    denoiser = registry.build("model", "dense", {"image": [1, 8, 8], "widths": [4]})
    tables = TABLES | {"model": {"name": "dense", "image": [1, 8, 8], "widths": [4]}, "loss": {"name": "mse"}}
    tables["objective"] = {"name": "supervised"}
    checkpoint.save(tmp_path / "d.safetensors", checkpoint.Checkpoint(Recipe.from_dict(tables), {"denoiser": denoiser}))
    with pytest.raises(PellucidError, match=r"d.safetensors holds no classifier"):
        load_classifier(tmp_path / "d.safetensors")


def test_weights_in_other_files_are_refused(tmp_path):
    model = onnx.load(brightness(tmp_path / "a.onnx"))
    for tensor in model.graph.initializer:
        if tensor.name == "data_range":
            set_external_data(tensor, "../../etc/passwd")
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(PellucidError, match=r"a.onnx keeps its weights in other files, which is refused"):
        load_classifier(tmp_path / "a.onnx")
