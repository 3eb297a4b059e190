"""Options that several commands share, and the parsing of their values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.errors import UsageError

JsonPath = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help='Also write the figures as JSON; "-" is stdout.')
]
ModelPath = Annotated[
    Path, typer.Option("--model", "-m", metavar="FILE", help="A checkpoint, such as runs/digits/best.safetensors.")
]
SeedList = Annotated[
    str | None, typer.Option("--seeds", metavar="LIST", help="Such as 0,1,2; by default the recipe's.")
]
SetValues = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, in TOML; may be given several times."),
]


def examples(*lines: str) -> str:
    """Return command lines as the epilog of a command's help, without wrapping."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def toml_values(pairs: Sequence[str]) -> dict[str, Any]:
    """Parse pairs such as `train.epochs=3` and `noise.name=gaussian`: values are TOML, a bare word is a text.

    Raises:
        UsageError: for a pair without "=" or without a key.
    """
    from pellucid.recipes.schema import parse_toml_value

    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not (separator and key.strip()):
            raise UsageError(f"--set {pair}: write key=value, such as --set train.epochs=3")
        values[key.strip()] = parse_toml_value(text)
    return values


def seed_list(text: str | None) -> tuple[int, ...] | None:
    """Parse a list of numbers such as `0,1,2`.

    Raises:
        UsageError: if a part is no whole number.
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--seeds {text}: write whole numbers with commas between, such as 0,1,2") from error
