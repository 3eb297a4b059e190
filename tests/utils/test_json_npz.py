"""JSON and arrays in files, and the refusal of pickles."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from pellucid.utils.json_npz import json_safe, read_arrays, read_json, refuse_pickle, write_arrays, write_json


def test_values_come_back(tmp_path):
    values = {"a": [1, 2.5, None, True], "ü": {"b": "text"}}
    write_json(tmp_path / "a.json", values)
    assert read_json(tmp_path / "a.json") == values
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_arrays_come_back_in_order(tmp_path):
    arrays = {"b": np.arange(6, dtype=np.uint16).reshape(2, 3), "a": np.array([np.nan, 1])}
    write_arrays(tmp_path / "a.npz", arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert list(found) == ["b", "a"]
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_damaged_files_are_named(tmp_path, refusal):
    for name, read in (("a.json", read_json), ("a.npz", read_arrays)):
        assert str(tmp_path / name) in refusal(read, tmp_path / name)
        (tmp_path / name).write_bytes(b"PK\x03\x04 not a file of this kind")
        assert str(tmp_path / name) in refusal(read, tmp_path / name)


def test_an_archive_with_damaged_data_is_named(tmp_path, refusal):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": np.arange(1000)})
    content = path.read_bytes()
    middle = range(len(content) // 4, len(content) * 3 // 4, len(content) // 20)
    damaged = [content[:start] + b"\xff" * 8 + content[start + 8 :] for start in middle]
    for part in (b"", content[: len(content) // 2], *damaged):
        path.write_bytes(part)
        assert f"{path} cannot be read" in refusal(read_arrays, path)


def test_arrays_of_objects_are_never_loaded(tmp_path, refusal):
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    assert "cannot be read" in refusal(read_arrays, tmp_path / "a.npz")


def test_values_become_what_json_can_hold():
    values = {1: (np.float32(0.5), np.inf), "a": np.array([[1.0, np.nan]]), "path": Path("a/b"), "flag": np.True_}
    safe = json_safe(values)
    assert safe == {"1": [0.5, None], "a": [[1.0, None]], "path": "a/b", "flag": True}
    assert json.loads(json.dumps(safe, allow_nan=False)) == safe


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_are_refused(protocol, refusal):
    content = pickle.dumps({"a": 1}, protocol)
    assert refusal(refuse_pickle, Path("a.pt"), content, "convert it") == (
        "a.pt is a pickle, which is never loaded: convert it"
    )
    refuse_pickle(Path("a.json"), b"{}", "convert it")
