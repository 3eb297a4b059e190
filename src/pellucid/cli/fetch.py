"""pellucid fetch: downloads a data set."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.options import examples


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "fetch",
        short_help="Download a data set and check it.",
        epilog=examples(
            "pellucid fetch mnist",
            "pellucid fetch fashion_mnist --to ~/data",
        ),
    )(fetch_data)


def fetch_data(
    name: Annotated[str, typer.Argument(help="mnist or fashion_mnist.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="The folder; by default $PELLUCID_DATA or the cache.")
    ] = None,
) -> None:
    """Download a data set from one of two mirrors and check its SHA-256."""
    from pellucid.data.fetch import fetch

    output = CommandOutput()
    folder = fetch(name, to, progress=output.print_note)
    output.print(f"{name} is in {folder}")
