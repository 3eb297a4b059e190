"""A list of files comes back as it was written, and what is wrong in one is named."""

import json

import pytest

from pellucid.data.file_list import Entry, FileList, read_file_list, write_file_list
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
        ({"kind": "triples"}, "kind is 'triples', it must be one of pairs, clean, noisy, takes"),
        ({"dtype": "float64"}, "dtype is 'float64'"),
        ({"channels": 0}, "channels is 0"),
        ({"channels": True}, "channels is True"),
        ({"white": 0}, "white is 0"),
        ({"white": "255"}, "white is '255'"),
        ({"white": float("nan")}, "white is nan"),
        ({"kind": "takes"}, r'entries\[0\].second is None: name the file, since kind is "takes"'),
        ({"entries": 3}, "entries is 3, it must be a list"),
        ({"entries": [3]}, r"entries\[0\] is 3, it must be a table"),
        ({"whit": 1}, 'the list has the unknown key "whit"'),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change, message, tmp_path):
    path = tmp_path / "files.json"
    write_file_list(path, FILES)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        read_file_list(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "test"}, r"entries\[0\].part is 'test', it must be one of train, validation"),
        ({"level": -0.1}, r"entries\[0\].level is -0.1"),
        ({"level": "much"}, r"entries\[0\].level is 'much'"),
        ({"clean": 3}, r"entries\[0\].clean is 3"),
        ({"weight": 3}, r'entries\[0\] has the unknown key "weight"'),
        ({"noisy": ...}, r'entries\[0\] lacks the key "noisy"'),
    ],
    ids=str,
)
def test_what_is_wrong_in_an_entry_is_named(change, message, tmp_path):
    path = tmp_path / "files.json"
    write_file_list(path, FILES)
    tables = json.loads(path.read_text(encoding="utf-8"))
    merged = tables["entries"][0] | change
    tables["entries"][0] = {key: value for key, value in merged.items() if value is not ...}
    path.write_text(json.dumps(tables), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_file_list(path)


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[1]", b"\xff\xfe\x00"])
def test_what_is_no_list_is_refused(content, tmp_path):
    path = tmp_path / "files.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_file_list(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_list_is_an_error_in_words(tmp_path):
    with pytest.raises(PellucidError, match="cannot read the list of files"):
        read_file_list(tmp_path / "files.json")
