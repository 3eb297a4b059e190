"""Convert the tables of TOML and JSON files to dataclasses, checking every key, and back."""

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pellucid import registry
from pellucid.errors import UsageError

Options = dict[str, Any]
Rule = tuple[str, Callable[[Any], bool]]
FROM_0: Rule = ("at least 0", lambda value: value >= 0)
FROM_1: Rule = ("at least 1", lambda value: value >= 1)
ABOVE_0: Rule = ("above 0", lambda value: value > 0)
INSIDE_0_1: Rule = ("between 0 and 1", lambda value: 0 < value < 1)
FRACTION: Rule = ("between 0 and 1", lambda value: 0 <= value <= 1)
BELOW_1: Rule = ("in [0, 1)", lambda value: 0 <= value < 1)
FINITE: Rule = ("0 or more, and finite", lambda value: 0 <= value < float("inf"))
NOT_EMPTY: Rule = ("one number or more", lambda value: value >= 1)
RULES: dict[str, dict[str, Rule]] = {
    "train": {
        "epochs": FROM_1,
        "minutes": FINITE,
        "steps": FROM_0,
        "batch_size": FROM_1,
        "lr": ABOVE_0,
        "ema": BELOW_1,
        "patience": FROM_0,
        "threads": FROM_0,
        "gradient_clip": FROM_0,
        "weight_decay": FROM_0,
        "hold_fraction": BELOW_1,
        "warmup": FROM_0,
    },
    "data": {
        "validation": INSIDE_0_1,
        "train_images": FROM_0,
        "test_images": FROM_0,
        "crop": FROM_0,
        "gray": FRACTION,
    },
    "classifier": {
        "epochs": FROM_1,
        "ceiling_epochs": FROM_1,
        "batch_size": FROM_1,
        "lr": ABOVE_0,
        "validation": INSIDE_0_1,
    },
}


@dataclass(frozen=True)
class Component:
    """The name and the options of a registered component; in TOML they are keys of one table."""

    name: str
    options: Options = field(default_factory=dict)


def parse_value(kind: Any, value: Any, key: str = "") -> Any:
    """Return a value as the declared type: a dataclass from its table, a `Component` with its options.

    Args:
        kind: the type, such as `float`, `tuple[str, ...]`, a `Literal` or a dataclass.
        value: as TOML or JSON give it.
        key: its dotted key, for error messages.

    Raises:
        UsageError: naming the first unknown key, missing key or wrong value.
    """
    if dataclasses.is_dataclass(kind):
        return _parse_table(kind, value, key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else parse_value(arguments[0], value, key)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(parse_value(arguments[0], item, key) for item in value)
    if origin is Literal:
        if value in arguments:
            return value
        choices = [str(choice) for choice in arguments]
        raise UsageError(f'{key} is "{value}"{registry.suggestion(str(value), choices)}')
    plain = origin or kind
    if plain is Any or (type(value) is plain) or (plain is float and type(value) is int):
        return float(value) if plain is float else value
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", dict: "a table"}
    raise UsageError(f"{key} is {value!r}, it must be {names.get(plain, 'a list')}")


def to_tables(value: Any) -> Any:
    """Return dataclasses as the tables of a TOML file: options beside the name, without values that are None."""
    if dataclasses.is_dataclass(value):
        table = {spec.name: getattr(value, spec.name) for spec in dataclasses.fields(value)}
        if isinstance(value, Component):
            table |= table.pop("options")
        return {name: to_tables(item) for name, item in table.items() if item is not None}
    if isinstance(value, dict):
        return {name: to_tables(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tables(item) for item in value]
    return value


def parse_toml_value(text: str) -> Any:
    """Return the value that a text stands for in TOML; a text that is no TOML value, such as a bare word, stays text.

    Numbers may start or end with their decimal point, which TOML does not allow.
    """
    text = text.strip()
    if re.fullmatch(r"[+-]?(\d+\.|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def _parse_table(kind: Any, value: Any, key: str) -> Any:
    if not isinstance(value, Mapping):
        raise UsageError(f"{key} is {value!r}, it must be a table")
    hints = typing.get_type_hints(kind)
    takes_options = issubclass(kind, Component)
    known = [name for name in hints if name != "options" or not takes_options]
    values: dict[str, Any] = {}
    options: Options = {}
    for name, item in value.items():
        where = f"{key}.{name}" if key else name
        if name in known:
            values[name] = parse_value(hints[name], item, where)
        elif takes_options:
            options[name] = item
        else:
            raise UsageError(f'unknown key "{where}"{registry.suggestion(name, known)}')
    for spec in dataclasses.fields(kind):
        required = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if required and spec.name not in values:
            raise UsageError(f'the key "{key + "." if key else ""}{spec.name}" is missing: add it')
    return kind(**values, options=options) if takes_options else kind(**values)
