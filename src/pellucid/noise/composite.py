"""Noise models that are made of others: their parts as tables, checked, hashable and constructed."""

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid import registry

Pairs = tuple[tuple[str, Any], ...]


def frozen(parts: Any) -> tuple[Pairs, ...]:
    """Return parts, as tables or as the pairs made of them before, as pairs that can be hashed and compared.

    Raises:
        ValueError: if they are no list of tables.
    """
    if not isinstance(parts, list | tuple) or not parts:
        raise ValueError(f"parts={parts!r} is no list of noise models: give tables with a name each")
    return tuple(_frozen(part) for part in parts)


def built(part: Sequence[tuple[str, Any]]) -> tuple[str, Any]:
    """Return the name and the noise model of one frozen part.

    Raises:
        ValueError: if it has no name, or its options are refused.
    """
    options = dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise ValueError(f"parts has the entry {dict(part)!r} without a name: give each a name")
    return name, registry.build("noise", name, options)


def _frozen(part: Any) -> Pairs:
    try:
        return _pairs(dict(part))
    except (TypeError, ValueError):
        raise ValueError(f"parts has the entry {part!r}: give a table with a name") from None


def _pairs(table: Mapping[str, Any]) -> Pairs:
    return tuple((name, _hashable(table[name])) for name in sorted(table))


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _pairs(value)
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
