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
        short_help="Find the images of a folder that do not belong.",
        epilog=examples(
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors",
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors --top 5 --json odd.json",
        ),
    )(find_outliers)


def find_outliers(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of images.")],
    model: ModelPath,
    top: Annotated[int, typer.Option(metavar="N", help="Show the N that fit worst; 0 shows all.")] = 20,
    json_path: JsonPath = None,
) -> None:
    """Find the images of a folder that do not belong, by how badly the network reconstructs them."""
    from pellucid.image import list_images
    from pellucid.image.folders import read_stack

    paths = list_images(folder, recursive=True)

    from pellucid.evaluate.outliers import outliers
    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput(json_path)
    denoiser = Denoiser.load(model)
    with output.bar("outliers") as bar:
        found = outliers(denoiser, read_stack(paths, denoiser.input_spec, progress_of(bar)))
    order = (-found.errors).argsort()
    listed = [
        {
            "file": str(paths[index]),
            "error": float(found.errors[index]),
            "score": float(found.scores[index]),
            "outlier": bool(found.flagged[index]),
        }
        for index in order
    ]
    shown = listed[: top or None]
    marks = {True: "outlier", False: ""}
    rows = [
        (entry["file"], f"{entry['error']:.5f}", f"{entry['score']:.1f}", marks[entry["outlier"]]) for entry in shown
    ]
    output.print_table(("image", "error", "score", ""), rows)
    output.print(
        f"{int(found.flagged.sum())} of {pluralize(len(paths), 'image')} flagged: "
        f"error above {found.threshold:.5f}, score above {found.cutoff:g}"
    )
    output.write_json({"threshold": found.threshold, "cutoff": found.cutoff, "images": listed})
