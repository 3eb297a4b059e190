"""What is written is what Python's own library reads."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.recipes.toml import read_value, to_toml

texts = st.text(st.characters(codec="utf-8"))
plain = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), texts)
values = st.recursive(plain, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(texts, deeper, max_size=3))


@given(st.dictionaries(texts, values, max_size=4))
def test_everything_survives_a_round_trip(tables):
    assert tomllib.loads(to_toml(tables)) == tables


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ({"name": "small", "lr": 1e-05, "on": True}, 'name = "small"\nlr = 1e-05\non = true\n'),
        ({"train": {"epochs": 3}, "name": "first"}, 'name = "first"\n\n[train]\nepochs = 3\n'),
        (
            {"noise": {"parts": [{"sigma": [0, 1]}, {}]}},
            "\n[noise]\n\n[[noise.parts]]\nsigma = [0, 1]\n\n[[noise.parts]]\n",
        ),
        ({"train.epochs": 1}, '"train.epochs" = 1\n'),
        ({"mixed": [1, {"a": []}]}, "mixed = [1, {a = []}]\n"),
    ],
)
def test_it_reads_well(tables, text):
    assert to_toml(tables) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (" 1e-4 ", 1e-4),
        (".5", 0.5),
        ("-2.e3", -2000.0),
        ("true", True),
        ("[16, 32]", [16, 32]),
        ('"a, b"', "a, b"),
        ("nearest", "nearest"),
        ("1 = 2", "1 = 2"),
        ("3\nother = 4", "3\nother = 4"),
        ("[" * 2000, "[" * 2000),
    ],
)
def test_a_value_is_read_as_it_is_written_on_the_command_line(text, value):
    assert read_value(text) == value and type(read_value(text)) is type(value)
