"""pellucid estimate-noise: the noise level of images."""

from pathlib import Path

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.denoise import WHITE
from pellucid.cli.image_options import (
    LIMIT,
    MOST_PIXELS,
    Inputs,
    MaxPixels,
    Recursive,
    collected,
    refuse_failures,
    show_failures,
)
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import PellucidError


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "estimate-noise",
        short_help="Say how noisy images are.",
        epilog=examples(
            "pellucid estimate-noise photo.jpg",
            "pellucid estimate-noise photos/ --json levels.json",
        ),
    )(estimate_noise)


def estimate_noise(
    inputs: Inputs, recursive: Recursive = True, max_pixels: MaxPixels = MOST_PIXELS, json_path: JsonPath = None
) -> None:
    """Say how noisy images are: the standard deviation of their noise, white being 255.

    It is what a small network reads from tiles spread over the image, correlated noise included, and what denoise
    takes unless --sigma says otherwise.
    """
    from pellucid.image.folders import Failure, find_images

    found = find_images(inputs, recursive)
    output = CommandOutput(json_path)
    levels, failures, remarks = [], [], []
    with output.bar("estimate noise") as bar:
        for position, (path, name) in enumerate(found):
            bar(position, len(found), f"{position}/{len(found)} {name}")
            try:
                with collected(remarks):
                    levels.append({"file": str(path), "sigma": WHITE * _read_level(path, max_pixels)})
            except PellucidError as error:
                if len(found) == 1:
                    raise
                failures.append(Failure(path, str(error)))
    show_failures(output, remarks, failures)
    output.print_table(("image", "noise"), [(entry["file"], f"{entry['sigma']:.1f}") for entry in levels])
    output.write_json(levels)
    refuse_failures(failures, len(found))


def _read_level(path: Path, max_pixels: int) -> float:
    import sys

    from pellucid.image import read_image
    from pellucid.image.folders import DASH
    from pellucid.inference import noise_estimation
    from pellucid.inference.image_file import as_frames

    source = sys.stdin.buffer if path == DASH else path
    return noise_estimation.estimate_sigma(as_frames(read_image(source, max_pixels, limit_name=LIMIT)))
