"""Write TOML, which Python's own library only reads; and read a value as it is written on the command line."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from typing import Any


def to_toml(tables: Mapping[str, Any]) -> str:
    """Return a TOML document that `tomllib` reads back equal.

    Args:
        tables: texts, numbers, truth values, lists and tables of them.
    """
    return _lines(tables, "")


def read_value(text: str) -> Any:
    """Return the value that a text stands for in TOML; what is none there, such as a bare word, is the text itself.

    Numbers may start or end with their point, which TOML has not.
    """
    text = text.strip()
    if re.fullmatch(r"[+-]?(\d+\.|\.\d+)([eE][+-]?\d+)?", text):
        return float(text)
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text


def _lines(tables: Mapping[str, Any], prefix: str) -> str:
    lines, nested = [], []
    for name, value in tables.items():
        key = _key(name)
        if isinstance(value, dict):
            nested.append(f"\n[{prefix}{key}]\n{_lines(value, f'{prefix}{key}.')}")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            nested.extend(f"\n[[{prefix}{key}]]\n{_lines(item, f'{prefix}{key}.')}" for item in value)
        else:
            lines.append(f"{key} = {_value(value)}\n")
    return "".join(lines + nested)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(name)} = {_value(item)}' for name, item in value.items())}}}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
