"""The commands on any image: denoise, estimate-noise, compare."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput, pluralize
from pellucid.cli.denoise_run import WHITE, Cleaning, facts, write_page
from pellucid.cli.image_options import (
    LIMIT,
    MOST_PIXELS,
    Inputs,
    MaxPixels,
    Overwrite,
    Recursive,
    Skip,
    collected,
    convert,
    existing,
    plan_beside,
    refuse_failures,
    show_failures,
)
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import PellucidError, UsageError

if TYPE_CHECKING:
    from pellucid.evaluate.compare import Comparison
    from pellucid.inference.denoiser import Denoiser

AUTO = "auto"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "denoise",
        short_help="Take the noise out of image files.",
        epilog=examples(
            "pellucid denoise photo.jpg",
            "pellucid denoise photo.jpg -o clean.png --strength 0.7 --compare before-after.html",
            "pellucid denoise 'scans/**/*.tif' -o clean/ --sigma 25 --skip-existing",
            "pellucid denoise scans/ -o clean/ --model runs/conv-pool/best.safetensors",
            "pellucid denoise cells.tif --model self --minutes 2",
            "pellucid denoise - -o - < noisy.png > clean.png",
        ),
    )(denoise)
    app.command(
        "estimate-noise",
        short_help="Say how noisy images are.",
        epilog=examples(
            "pellucid estimate-noise photo.jpg",
            "pellucid estimate-noise photos/ --json levels.json",
        ),
    )(estimate_noise)
    app.command(
        "compare",
        short_help="Say how far apart two images are.",
        epilog=examples(
            "pellucid compare clean.png original.png",
            "pellucid compare clean.png original.png --json -",
        ),
    )(compare_images)


def denoise(
    inputs: Inputs,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A file for one image, else a folder in which names are kept; - is stdout. By default photo.jpg goes "
            "to photo-denoised.jpg, and scans/ to scans-denoised/.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A shipped one (pellucid list models), a file, or self: learn from each image itself.",
        ),
    ] = "photo",
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="How long --model self learns from each image; by default 0.75.")
    ] = None,
    sigma: Annotated[
        str, typer.Option(metavar="auto|N", help="The noise level, white being 255; auto estimates it for each image.")
    ] = AUTO,
    strength: Annotated[
        float, typer.Option(metavar="0…1", help="Less lets fine texture return; 0 gives the image back as it was.")
    ] = 1.0,
    stretch: Annotated[
        bool | None,
        typer.Option(
            "--stretch/--no-stretch",
            help="Stretch the contrast as the noisy image's was, up to the peaks of its noise; by default where the "
            "images trained on were such.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="onnxruntime, openvino, torch, or auto: the fastest for the work.")
    ] = AUTO,
    tile: Annotated[
        int, typer.Option(metavar="N", min=0, help="The side of a tile in pixels; smaller takes less memory. 0: usual.")
    ] = 0,
    threads: Annotated[int, typer.Option(metavar="N", min=0, help="How many to run on; 0 is all cores.")] = 0,
    recursive: Recursive = True,
    overwrite: Overwrite = False,
    skip_existing: Skip = False,
    max_pixels: MaxPixels = MOST_PIXELS,
    page: Annotated[
        Path | None, typer.Option("--compare", metavar="PAGE", help="Also write a page to look at before and after.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Take the noise out of image files.

    Format, depth, alpha, colour profile, EXIF and resolution stay as they were. A file that fails is named and
    skipped, and the exit status is then 1.
    """
    from pellucid.image.folders import DASH, plan

    level = _level(sigma)
    present = existing(overwrite, skip_existing)
    tasks = plan_beside(inputs, present, recursive) if out is None else plan(inputs, out, present, recursive)
    stdout_taken = any(task.target == DASH for task in tasks)
    if stdout_taken and json_path == str(DASH):
        raise UsageError("standard output cannot take both an image and JSON: give --json a file")
    if page and page.exists() and not overwrite:
        raise UsageError(f"{page} exists already: name another page, or give --overwrite")

    from pellucid.inference.denoiser import MIN_TILE, Denoiser
    from pellucid.inference.strength import check_strength

    check_strength(strength)
    if 0 < tile < MIN_TILE:
        raise UsageError(f"--tile {tile} is too small: give at least {MIN_TILE}, or 0 for the usual size")
    denoiser = (
        Denoiser.load(model, engine, threads, tile)
        if minutes is None
        else _self_taught(model, minutes, engine, threads, tile)
    )
    output = CommandOutput(json_path, stdout_taken)
    if level is not None and not denoiser.conditional:
        output.print_note(f"--sigma {sigma} has no effect: {model} is not told the noise level")
    work = Cleaning(denoiser, level, strength, page is not None, stretch)
    limits = {"overwrite": overwrite, "max_pixels": max_pixels, "spec": denoiser.input_spec}
    failures = convert(output, tasks, work, "denoise", "denoised", out=out, **limits)
    done, pairs = work.finish(failures)
    if len(tasks) == len(done) == 1:
        output.print_note(f"{facts(done[0])} · {denoiser.engine}")
    if page and pairs:
        title = f"{pairs[0].name if len(done) == 1 else pluralize(len(done), 'image')}, denoised"
        more = f"The first {len(pairs)} of {len(done)} images." if len(pairs) < len(done) else ""
        write_page(page, pairs, title, model, more)
        output.print(f"before and after: {page}")
    listed = [{"file": str(failure.source), "reason": failure.reason} for failure in failures]
    output.write_json(
        {"model": model, "engine": denoiser.engine, "strength": strength, "images": done, "failed": listed}
    )
    refuse_failures(failures, len(tasks))


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


def compare_images(
    image: Annotated[Path, typer.Argument(metavar="A", help="An image file.")],
    reference: Annotated[Path, typer.Argument(metavar="B", help="Another of the same size, such as the original.")],
    max_pixels: MaxPixels = MOST_PIXELS,
    json_path: JsonPath = None,
) -> None:
    """Say how far apart two images are: PSNR, SSIM, the largest difference, and how much brighter A is than B.

    Their formats and depths may differ. Alpha is left out.
    """
    from pellucid.evaluate.compare import compare
    from pellucid.image import read_image
    from pellucid.inference.image_file import as_frames

    output = CommandOutput(json_path)
    files = [read_image(path, max_pixels, limit_name=LIMIT) for path in (image, reference)]
    ranges = [as_frames(file).data_range for file in files]
    # Of two files of one kind, one may look like 12 bits in 16, and the other not.
    white = max(ranges) if files[0].pixels.dtype == files[1].pixels.dtype else None
    found = compare(*(as_frames(file, white) for file in files))
    for name, value, note in _shown(found):
        output.print(f"{name:<18} {value:>10}  {note}".rstrip())
    output.write_json(
        {
            "psnr": found.psnr if math.isfinite(found.psnr) else None,
            "ssim": found.ssim,
            "largest": WHITE * found.max_difference,
            "shift": WHITE * found.mean_shift,
            "identical": not found.max_difference,
        }
    )


def _self_taught(model: str, minutes: float, engine: str, threads: int, tile: int) -> "Denoiser":
    """Return a denoiser that learns for so long from each image."""
    from pellucid.inference.denoiser import Denoiser
    from pellucid.inference.zero_shot import TestTimeAdaptation
    from pellucid.weights import SELF_TRAINED

    if model != SELF_TRAINED:
        raise UsageError(
            f"--minutes {minutes:g} is for --model {SELF_TRAINED}, {model} has learned already: leave it out"
        )
    return Denoiser(TestTimeAdaptation.for_engine(engine, threads, minutes), threads=threads, tile=tile)


def _level(sigma: str) -> float | None:
    """Return the level in [0, 1] units, or None for auto."""
    if sigma == AUTO:
        return None
    try:
        number = float(sigma)
    except ValueError:
        number = math.nan
    if not 0 <= number <= WHITE:
        raise UsageError(f"--sigma {sigma}: give auto, or a number from 0 to {WHITE}, white being {WHITE}")
    return number / WHITE


def _read_level(path: Path, max_pixels: int) -> float:
    import sys

    from pellucid.image import read_image
    from pellucid.image.folders import DASH
    from pellucid.inference import noise_estimation
    from pellucid.inference.image_file import as_frames

    source = sys.stdin.buffer if path == DASH else path
    return noise_estimation.estimate_sigma(as_frames(read_image(source, max_pixels, limit_name=LIMIT)))


def _shown(found: "Comparison") -> list[tuple[str, str, str]]:
    """Return what is said of a comparison: names, values and remarks."""
    no_ssim = 'SSIM needs SciPy: pip install "pellucid[compare]"'
    return [
        ("PSNR", "infinite" if math.isinf(found.psnr) else f"{found.psnr:.2f} dB", ""),
        ("SSIM", "-", no_ssim) if found.ssim is None else ("SSIM", f"{found.ssim:.4f}", ""),
        ("largest difference", f"{WHITE * found.max_difference:.1f}", f"of {WHITE}"),
        ("brighter by", f"{WHITE * found.mean_shift:+.2f}", f"of {WHITE}"),
    ]
