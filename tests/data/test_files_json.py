"""A list of files comes back as it was written, and a wrong key is named."""

import json

import pytest

from pellucid.data.files_json import Entry, FileList, read_file_list, write_file_list
from pellucid.errors import PellucidError, UsageError

FILES = FileList(
    "pairs",
    3,
    "uint16",
    4095.0,
    (
        Entry("/in/nøisy a.tif", "/in/a.tif", None, "a", "train", 0.1),
        Entry("/in/b.tif", "/out/b.tif", None, "b", "validation"),
    ),
    (("/in/c.tif", "is cut short"),),
)


def test_a_list_comes_back_as_it_was_written(tmp_path):
    write_file_list(tmp_path / "files.json", FILES)
    assert read_file_list(str(tmp_path / "files.json")) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["files.json"]


def test_names_in_an_edited_list_start_at_its_folder(tmp_path):
    path = tmp_path / "files.json"
    write_file_list(path, FILES)
    path.write_text(path.read_text(encoding="utf-8").replace("/in/", "in/"), encoding="utf-8")
    first = read_file_list(path).entries[0]
    assert (first.noisy, first.clean) == (str(tmp_path / "in/nøisy a.tif"), str(tmp_path / "in/a.tif"))
    assert read_file_list(path).entries[1].clean == "/out/b.tif"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "triples"}, "kind is 'triples', it must be one of pairs, clean, noisy, captures"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"channels": 0}, "channels is 0"),
        ({"channels": True}, "channels is True"),
        ({"data_range": 0}, "data_range is 0"),
        ({"data_range": "255"}, "data_range is '255'"),
        ({"data_range": float("nan")}, "data_range is nan"),
        ({"kind": "captures"}, r'entries\[0\].second_capture is None: name the file, since kind is "captures"'),
        ({"entries": 3}, "entries is 3, it must be a list"),
        ({"entries": [3]}, r"entries\[0\] is 3, it must be a table"),
        ({"data_rang": 1}, 'the list has the unknown key "data_rang"'),
    ],
    ids=str,
)
def test_a_wrong_value_is_named(change, message, tmp_path):
    path = tmp_path / "files.json"
    write_file_list(path, FILES)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        read_file_list(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "test"}, r"entries\[0\].split is 'test', it must be one of train, validation"),
        ({"sigma": -0.1}, r"entries\[0\].sigma is -0.1"),
        ({"sigma": "much"}, r"entries\[0\].sigma is 'much'"),
        ({"clean": 3}, r"entries\[0\].clean is 3"),
        ({"weight": 3}, r'entries\[0\] has the unknown key "weight"'),
        ({"noisy": ...}, r'entries\[0\] lacks the key "noisy"'),
    ],
    ids=str,
)
def test_a_wrong_value_in_an_entry_is_named(change, message, tmp_path):
    path = tmp_path / "files.json"
    write_file_list(path, FILES)
    tables = json.loads(path.read_text(encoding="utf-8"))
    merged = tables["entries"][0] | change
    tables["entries"][0] = {key: value for key, value in merged.items() if value is not ...}
    path.write_text(json.dumps(tables), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_file_list(path)


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[1]", b"\xff\xfe\x00"])
def test_a_file_that_is_no_list_is_refused(content, tmp_path):
    path = tmp_path / "files.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_file_list(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_list_is_an_error_in_words(tmp_path):
    with pytest.raises(PellucidError, match="cannot read the list of files"):
        read_file_list(tmp_path / "files.json")
