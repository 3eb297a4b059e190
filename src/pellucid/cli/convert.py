"""pellucid convert: turns files of format 1 into format 2."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput, pluralize
from pellucid.cli.options import examples


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "convert",
        short_help="Convert files of an earlier version.",
        epilog=examples(
            "pellucid convert recipe.toml",
            "pellucid convert old.safetensors -o new.safetensors",
            "pellucid convert runs/scans/",
        ),
    )(convert)


def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A checkpoint, recipe, ONNX or JSON file; a run, study or spool folder."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="A new file or folder; by default replace FILE."),
    ] = None,
) -> None:
    """Convert files of format 1, which earlier versions wrote, to format 2.

    Weights stay the same to the bit. A file that cannot be converted stays as it was.
    """
    from pellucid.format_1.convert import convert as convert_files

    output = CommandOutput()
    converted = convert_files(source, out)
    for path in converted:
        output.print(str(path))
    if converted:
        output.print(f"{pluralize(len(converted), 'file')} converted to format 2")
    else:
        copied = f", so {out} is a copy" if out else ""
        output.print(f"nothing to convert: {source} has no file of format 1{copied}")
