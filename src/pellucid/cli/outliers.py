"""pellucid outliers: the images of a folder that a network reconstructs worst."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput, pluralize, progress_of
from pellucid.cli.options import JsonPath, ModelPath, examples


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "outliers",
        short_help="Find the images of a folder that do not fit the others.",
        epilog=examples(
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors",
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors --top 5 --json odd.json",
        ),
    )(find_outliers)


def find_outliers(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of images.")],
    model: ModelPath,
    top: Annotated[int, typer.Option(metavar="N", help="Show the N worst; 0 shows all.")] = 20,
    json_path: JsonPath = None,
) -> None:
    """Find the images of a folder that the network reconstructs much worse than the others."""
    from pellucid.image import list_images
    from pellucid.image.folders import read_stack

    paths = list_images(folder, recursive=True)

    from pellucid.evaluate.outliers import outliers
    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput(json_path)
    denoiser = Denoiser.load(model)
    with output.bar("outliers") as bar:
        result = outliers(denoiser, read_stack(paths, denoiser.input_spec, progress_of(bar)))
    order = (-result.errors).argsort()
    images = [
        {
            "file": str(paths[index]),
            "error": float(result.errors[index]),
            "score": float(result.scores[index]),
            "outlier": bool(result.flagged[index]),
        }
        for index in order
    ]
    shown = images[: top or None]
    flags = {True: "outlier", False: ""}
    rows = [
        (entry["file"], f"{entry['error']:.5f}", f"{entry['score']:.1f}", flags[entry["outlier"]]) for entry in shown
    ]
    output.print_table(("image", "error", "score", ""), rows)
    output.print(
        f"{int(result.flagged.sum())} of {pluralize(len(paths), 'image')} flagged: "
        f"error above {result.threshold:.5f}, score above {result.cutoff:g}"
    )
    output.write_json({"threshold": result.threshold, "cutoff": result.cutoff, "images": images})
