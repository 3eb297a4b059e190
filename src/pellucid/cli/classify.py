"""pellucid classify: the classes of images, before and after denoising."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput, progress_of
from pellucid.cli.image_options import Files
from pellucid.cli.options import JsonPath, examples


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "classify",
        short_help="Classify images, before and after denoising.",
        epilog=examples(
            "pellucid classify digit.png --model runs/dense-uniform/combined.safetensors",
            "pellucid classify digits/ --model runs/dense-uniform/combined.safetensors --json -",
        ),
    )(classify)


def classify(
    inputs: Files,
    model: Annotated[
        Path,
        typer.Option("--model", "-m", metavar="FILE", help="A combined.safetensors: denoiser and classifier."),
    ],
    json_path: JsonPath = None,
) -> None:
    """Classify images before and after denoising, and print the confidence of each prediction."""
    from pellucid.image.folders import find_images

    files = find_images(inputs)

    from pellucid.evaluate.downstream import predict_labels
    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput(json_path)
    with output.bar("classify") as bar:
        predictions = predict_labels(Denoiser.load(model), [path for path, _ in files], progress_of(bar))
    columns = {
        "file": str,
        "label": str,
        "confidence": _percent,
        "label_denoised": str,
        "confidence_denoised": _percent,
    }
    rows = [[format_value(prediction[key]) for key, format_value in columns.items()] for prediction in predictions]
    output.print_table(("image", "as it is", "confidence", "denoised", "confidence"), rows)
    output.write_json(predictions)


def _percent(fraction: float) -> str:
    return f"{fraction:.1%}"
