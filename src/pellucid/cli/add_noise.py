"""pellucid add-noise: adds noise to image files."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.image_options import (
    MAX_PIXELS,
    Inputs,
    MaxPixels,
    Out,
    Overwrite,
    Skip,
    convert,
    existing_policy,
    refuse_failures,
)
from pellucid.cli.options import examples

if TYPE_CHECKING:
    import numpy as np

    from pellucid.image import ImageFile
    from pellucid.image.folders import Task


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "add-noise",
        short_help="Add noise to image files, for tests.",
        epilog=examples(
            'pellucid add-noise photo.png -o noisy.png --noise "gaussian(sigma=25)"',
            'pellucid add-noise photos/ -o noisy/ --noise "uniform(low=0, high=230)" --seed 7',
            'pellucid add-noise photos/ -o noisy/ --noise "poisson(peak=30)"',
            'pellucid add-noise pages/ -o stained/ --noise "document + jpeg(quality=40)"',
        ),
    )(add_noise)


def add_noise(
    inputs: Inputs,
    out: Out,
    noise: Annotated[
        str,
        typer.Option(
            "--noise",
            "-n",
            metavar="NOISE",
            help='Such as "gaussian(sigma=25)"; noises joined by + follow each other. Names: pellucid list noise.',
        ),
    ],
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed and file name give the same noise.")] = 0,
    clip: Annotated[
        bool, typer.Option("--clip/--no-clip", help="Clip floats to the range; integers are always clipped.")
    ] = True,
    overwrite: Overwrite = False,
    skip_existing: Skip = False,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Add noise to image files, for tests.

    sigma, low and high are of 255; other options have the units of the noise model. The output keeps format, bit depth,
    alpha, color profile and EXIF.
    """
    from pellucid.image.folders import DASH, plan_tasks

    tasks = plan_tasks(inputs, out, existing_policy(overwrite, skip_existing))

    from pellucid.noise import add_noise as synthetic

    model = synthetic.parse_noise_255(noise)

    def work(image: "ImageFile", task: "Task", progress: "Callable[[int, int], None]") -> "np.ndarray":
        options = {"channel_axis": image.channel_axis, "seed": seed, "name": task.name, "clip": clip}
        return synthetic.add_noise(image.pixels, model, **options)

    output = CommandOutput(is_stdout_used=out == DASH)
    options = {"out": out, "overwrite": overwrite, "max_pixels": max_pixels}
    failures = convert(output, tasks, work, "add noise", f"with {noise} added", **options)
    refuse_failures(failures, len(tasks))
