"""pellucid estimate-noise: the noise level of images."""

from pathlib import Path

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.denoise import SIGMA_UNIT
from pellucid.cli.image_options import (
    LIMIT_OPTION,
    MAX_PIXELS,
    Inputs,
    MaxPixels,
    Recursive,
    collect_warnings,
    refuse_failures,
    show_failures,
)
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import PellucidError


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "estimate-noise",
        short_help="Estimate the noise level of images.",
        epilog=examples(
            "pellucid estimate-noise photo.jpg",
            "pellucid estimate-noise photos/ --json levels.json",
        ),
    )(estimate_noise)


def estimate_noise(
    inputs: Inputs, recursive: Recursive = True, max_pixels: MaxPixels = MAX_PIXELS, json_path: JsonPath = None
) -> None:
    """Estimate the noise level of images: the standard deviation of their noise, of 255.

    A small network estimates it from tiles spread over the image, correlated noise included. denoise uses the same
    estimate unless --sigma is given.
    """
    from pellucid.image.folders import Failure, find_images

    found = find_images(inputs, recursive)
    output = CommandOutput(json_path)
    estimates, failures, messages = [], [], []
    with output.bar("estimate noise") as bar:
        for position, (path, name) in enumerate(found):
            bar(position, len(found), f"{position}/{len(found)} {name}")
            try:
                with collect_warnings(messages):
                    estimates.append({"file": str(path), "sigma_255": SIGMA_UNIT * _estimate_sigma(path, max_pixels)})
            except PellucidError as error:
                if len(found) == 1:
                    raise
                failures.append(Failure(path, str(error)))
    show_failures(output, messages, failures)
    output.print_table(("image", "noise"), [(entry["file"], f"{entry['sigma_255']:.1f}") for entry in estimates])
    output.write_json(estimates)
    refuse_failures(failures, len(found))


def _estimate_sigma(path: Path, max_pixels: int) -> float:
    import sys

    from pellucid.image import read_image
    from pellucid.image.folders import DASH
    from pellucid.inference import noise_estimation
    from pellucid.inference.image_file import as_frames

    source = sys.stdin.buffer if path == DASH else path
    return noise_estimation.estimate_sigma(as_frames(read_image(source, max_pixels, limit_name=LIMIT_OPTION)))
