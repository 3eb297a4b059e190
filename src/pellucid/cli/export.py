"""pellucid export: writes a trained network as ONNX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.checkpoint import Checkpoint

ROLES = ("denoiser", "classifier", "estimator")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "export",
        short_help="Write a trained network as ONNX.",
        epilog=examples(
            "pellucid export runs/conv-pool/best.safetensors -o conv-pool.onnx",
            "pellucid export runs/photo/best.safetensors -o photo.onnx --half --name photo",
            "pellucid denoise scans/ -o clean/ --model conv-pool.onnx",
        ),
    )(export_network)


def export_network(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint, such as runs/digits/best.safetensors.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write, such as digits.onnx.")],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The network's name in the file; by default its recipe's."),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="denoiser, classifier or estimator; by default the first that the file has."),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in float16, half the size; they are used in float32.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Write a trained network as one ONNX file, which runs without torch.

    Height, width and batch size are variable where the network takes any size. Before the file is put in place, its
    output is compared with torch's on random images of several sizes.
    """
    if out.exists() and not overwrite:
        raise UsageError(f"{out} exists: name another file, or give --overwrite")
    from pellucid.checkpoint import load
    from pellucid.engines.onnx_export import export

    loaded = load(checkpoint)
    role = _role(checkpoint, loaded, network)
    recipe = loaded.recipe
    exported = export(loaded.networks[role], out, name or recipe.name, recipe.to_dict(), half)
    output = CommandOutput(json_path)
    output.print(f"{out}: the {role} of {checkpoint}, {exported.bytes / 1e6:.1f} MB", "bold")
    output.print(f"  at most {exported.difference:.1g} different from torch on random images in [0, 1]")
    if half:
        output.print(f"  at most {exported.rounding:.1g} different from the network with float32 weights")
    output.write_json(dataclasses.asdict(exported) | {"role": role})


def _role(path: Path, checkpoint: "Checkpoint", requested: str | None) -> str:
    """Return the requested network, or the first of `ROLES` that the checkpoint has."""
    roles = sorted(checkpoint.networks, key=ROLES.index)
    if requested is not None and requested not in roles:
        raise UsageError(f"{path} holds no {requested}: it holds a {' and a '.join(roles)}")
    return requested or roles[0]
