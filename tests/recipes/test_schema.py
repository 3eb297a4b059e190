"""Tables are read into the dataclasses that they describe, and made of them again."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from pellucid.errors import UsageError
from pellucid.recipes.schema import Component, parse_value, to_tables


@dataclass(frozen=True)
class Part(Component):
    share: float = 0.5


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
    "parts": [{"name": "one", "share": 1, "sigma": [0, 0.1]}],
    "anything": {"deep": {"er": [1, "two"]}},
}


def test_what_is_read_becomes_the_same_tables_again():
    found = parse_value(Whole, TABLES)
    assert found == Whole("x", "b", (3, 4), (Part("one", {"sigma": [0, 0.1]}, 1.0),), None, TABLES["anything"])
    assert isinstance(found.parts[0].share, float)
    assert to_tables(found) == TABLES | {"parts": [{"name": "one", "share": 1.0, "sigma": [0, 0.1]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"title": 3}, "title is 3, it must be a text"),
        ({"kind": "c"}, r'kind is "c" .known: a, b.'),
        ({"sizes": 3}, "sizes is 3, it must be a list"),
        ({"sizes": [True]}, "sizes is True, it must be a whole number"),
        ({"titel": "x"}, 'unknown key "titel" .did you mean "title"'),
        ({"parts": [{"share": 1}]}, r'the key "parts\.name" is missing'),
        ({"more": 3}, "more is 3, it must be a table"),
        ({"anything": []}, "anything is .., it must be a table"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(UsageError, match=message):
        parse_value(Whole, TABLES | change)


def test_a_table_within_another_is_named_by_its_key():
    with pytest.raises(UsageError, match=r'"train\.title" is missing'):
        parse_value(Whole, {}, "train")
