"""pellucid classify: the classes of images, before and after denoising."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput, progress_of
from pellucid.cli.image_options import (
    Files,
)
from pellucid.cli.options import JsonPath, examples


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "classify",
        short_help="Say what is in images, with and without denoising.",
        epilog=examples(
            "pellucid classify digit.png --model runs/dense-uniform/combined.safetensors",
            "pellucid classify digits/ --model runs/dense-uniform/combined.safetensors --json -",
        ),
    )(classify)


def classify(
    inputs: Files,
    model: Annotated[
        Path, typer.Option("--model", "-m", metavar="FILE", help="A combined.safetensors: denoiser and classifier.")
    ],
    json_path: JsonPath = None,
) -> None:
    """Say what is in images, read as they are and read after denoising, with the confidence of each reading."""
    from pellucid.image.folders import find_images

    found = find_images(inputs)

    from pellucid.evaluate.readings import predict_labels
    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput(json_path)
    with output.bar("classify") as bar:
        readings = predict_labels(Denoiser.load(model), [path for path, _ in found], progress_of(bar))
    columns = {
        "file": str,
        "label": str,
        "confidence": _percent,
        "label_denoised": str,
        "confidence_denoised": _percent,
    }
    rows = [[shown(reading[key]) for key, shown in columns.items()] for reading in readings]
    output.print_table(("image", "as it is", "sure", "denoised", "sure"), rows)
    output.write_json(readings)


def _percent(share: float) -> str:
    return f"{share:.1%}"
