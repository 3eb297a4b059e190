"""The commands that run trained networks on image files, and add-noise: classify, encode, outliers, add-noise."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import Bar, CommandOutput, pluralize
from pellucid.cli.image_options import (
    MOST_PIXELS,
    Files,
    Inputs,
    MaxPixels,
    Out,
    Overwrite,
    Skip,
    convert,
    existing,
    refuse_failures,
)
from pellucid.cli.options import JsonPath, ModelPath, examples

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from pellucid.image import ImageFile
    from pellucid.image.folders import Task


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "classify",
        short_help="Say what is in images, with and without denoising.",
        epilog=examples(
            "pellucid classify digit.png --model runs/dense-uniform/combined.safetensors",
            "pellucid classify digits/ --model runs/dense-uniform/combined.safetensors --json -",
        ),
    )(classify)
    app.command(
        "encode",
        short_help="Write the codes of images: features, or compressed images.",
        epilog=examples(
            "pellucid encode digits/ -o codes.npz --model runs/dense-uniform/best.safetensors",
            "pellucid encode digits/ -o codes.csv --model runs/conv-pool/best.safetensors",
        ),
    )(encode)
    app.command(
        "outliers",
        short_help="Find the images of a folder that do not belong.",
        epilog=examples(
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors",
            "pellucid outliers digits/ --model runs/dense-uniform/best.safetensors --top 5 --json odd.json",
        ),
    )(find_outliers)
    app.command(
        "add-noise",
        short_help="Add noise to image files, to make test material.",
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
            help='Such as "gaussian(sigma=25)"; joined by + one follows another. Names: pellucid list noise.',
        ),
    ],
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed and file name give the same noise.")] = 0,
    clip: Annotated[
        bool, typer.Option("--clip/--no-clip", help="Cut floats to the range; integers always end at their bounds.")
    ] = True,
    overwrite: Overwrite = False,
    skip_existing: Skip = False,
    max_pixels: MaxPixels = MOST_PIXELS,
) -> None:
    """Add noise to image files, to make test material.

    sigma, low and high are given as the field speaks of them, white being 255; all else is taken as it is. Format,
    8 or 16 bits, alpha, colour profile and EXIF stay as they were.
    """
    from pellucid.image.folders import DASH, plan

    tasks = plan(inputs, out, existing(overwrite, skip_existing))

    from pellucid.noise import add_noise as synthetic

    model = synthetic.parse_noise_255(noise)

    def work(image: "ImageFile", task: "Task", tell: "Callable[[int, int], None]") -> "np.ndarray":
        options = {"channel_axis": image.channel_axis, "seed": seed, "name": task.name, "clip": clip}
        return synthetic.add_noise(image.pixels, model, **options)

    output = CommandOutput(is_stdout_used=out == DASH)
    options = {"out": out, "overwrite": overwrite, "max_pixels": max_pixels}
    failures = convert(output, tasks, work, "add noise", f"with {noise} added", **options)
    refuse_failures(failures, len(tasks))


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
        readings = predict_labels(Denoiser.load(model), [path for path, _ in found], _counting(bar))
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


def encode(
    inputs: Files,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="codes.npz, codes.csv or codes.npy.")],
    model: ModelPath,
    overwrite: Overwrite = False,
) -> None:
    """Write the codes of images: features for another model, or the images compressed.

    npz and csv hold the names and the codes, npy the codes alone. All images must be of one size.
    """
    from pellucid.cli.write_codes import check_target, write_codes
    from pellucid.image.folders import find_images, read_stack

    check_target(out, overwrite)
    found = find_images(inputs)

    from pellucid.inference.denoiser import Denoiser

    output = CommandOutput()
    denoiser = Denoiser.load(model)
    with output.bar("encode") as bar:
        stack = read_stack([path for path, _ in found], denoiser.input_spec, _counting(bar))
        codes = denoiser.encode(stack)
    write_codes(out, [str(name) for _, name in found], codes)
    shape = "x".join(map(str, codes.shape[1:]))
    output.print(f"{out}: {pluralize(len(codes), 'code')} of {shape} values for images of {_size(stack)}")


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
        found = outliers(denoiser, read_stack(paths, denoiser.input_spec, _counting(bar)))
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


def _counting(bar: Bar) -> "Callable[[int, int, str], None]":
    return lambda done, total, name: bar(done, total, name)


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _size(stack: "np.ndarray") -> str:
    return "x".join(map(str, stack.shape[2:]))
