"""Tables become the dataclasses that they describe, and tables again."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from pellucid.errors import UsageError
from pellucid.recipes.schema import Component, parse_toml_value, parse_value, to_tables


@dataclass(frozen=True)
class Part(Component):
    fraction: float = 0.5


@dataclass(frozen=True)
class Whole:
    title: str
    kind: Literal["a", "b"] = "a"
    sizes: tuple[int, ...] = ()
    parts: tuple[Part, ...] = ()
    more: Part | None = None
    anything: dict[str, Any] = field(default_factory=dict)


TABLES = {
    "title": "x",
    "kind": "b",
    "sizes": [3, 4],
    "parts": [{"name": "one", "fraction": 1, "sigma": [0, 0.1]}],
    "anything": {"deep": {"er": [1, "two"]}},
}


def test_parsed_tables_become_the_same_tables_again():
    found = parse_value(Whole, TABLES)
    assert found == Whole("x", "b", (3, 4), (Part("one", {"sigma": [0, 0.1]}, 1.0),), None, TABLES["anything"])
    assert isinstance(found.parts[0].fraction, float)
    assert to_tables(found) == TABLES | {"parts": [{"name": "one", "fraction": 1.0, "sigma": [0, 0.1]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": 3}, "title is 3, it must be a text"),
        ({"kind": "c"}, r'kind is "c" .known: a, b.'),
        ({"sizes": 3}, "sizes is 3, it must be a list"),
        ({"sizes": [True]}, "sizes is True, it must be a whole number"),
        ({"titel": "x"}, 'unknown key "titel" .did you mean "title"'),
        ({"parts": [{"fraction": 1}]}, r'the key "parts\.name" is missing'),
        ({"more": 3}, "more is 3, it must be a table"),
        ({"anything": []}, "anything is .., it must be a table"),
    ],
    ids=str,
)
def test_errors_name_the_key_and_the_value(change, message):
    with pytest.raises(UsageError, match=message):
        parse_value(Whole, TABLES | change)


def test_a_table_within_another_is_named_by_its_key():
    with pytest.raises(UsageError, match=r'"train\.title" is missing'):
        parse_value(Whole, {}, "train")


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
def test_a_value_on_the_command_line_is_toml_or_text(text, value):
    assert parse_toml_value(text) == value and type(parse_toml_value(text)) is type(value)
