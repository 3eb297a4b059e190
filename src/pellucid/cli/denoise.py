"""pellucid denoise: removes the noise from image files."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import CommandOutput, format_duration, pluralize
from pellucid.cli.image_options import (
    MAX_PIXELS,
    Inputs,
    MaxPixels,
    Overwrite,
    Recursive,
    Skip,
    convert,
    existing_policy,
    plan_beside,
    refuse_failures,
)
from pellucid.cli.options import JsonPath, examples
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from pellucid.image import ImageFile
    from pellucid.image.folders import Failure, Task
    from pellucid.inference.denoiser import Denoiser
    from pellucid.inference.image_file import DenoisedImage
    from pellucid.report.before_after import ImagePair

SIGMA_UNIT = 255  # white in the unit of --sigma
AUTO = "auto"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "denoise",
        short_help="Remove the noise from image files.",
        epilog=examples(
            "pellucid denoise photo.jpg",
            "pellucid denoise photo.jpg -o clean.png --strength 0.7 --compare before-after.html",
            "pellucid denoise 'scans/**/*.tif' -o clean/ --sigma 25 --skip-existing",
            "pellucid denoise scans/ -o clean/ --model runs/conv-pool/best.safetensors",
            "pellucid denoise cells.tif --model self --minutes 2",
            "pellucid denoise - -o - < noisy.png > clean.png",
        ),
    )(denoise)


def denoise(
    inputs: Inputs,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="A file for one image, else a folder that keeps the names; - is stdout. By default photo-denoised.jpg "
            "for photo.jpg, and scans-denoised/ for scans/.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A shipped model (pellucid list models), a file, or self: learn from each image itself.",
        ),
    ] = "photo",
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="How long --model self trains on each image; by default 0.75.")
    ] = None,
    sigma: Annotated[
        str,
        typer.Option(metavar="auto|N", help="The noise level (standard deviation, of 255); auto estimates it."),
    ] = AUTO,
    strength: Annotated[
        float, typer.Option(metavar="0…1", help="How much noise to remove; less keeps fine texture, 0 changes nothing.")
    ] = 1.0,
    stretch: Annotated[
        bool | None,
        typer.Option(
            "--stretch/--no-stretch",
            help="Stretch the contrast as it was in the noisy image, to the peaks of its noise; by default where the "
            "model was trained on such images.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(metavar="NAME", help="onnxruntime, openvino, torch, or auto: the fastest.")
    ] = AUTO,
    tile: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="The side of a tile in pixels; small tiles save memory. 0: default."),
    ] = 0,
    threads: Annotated[int, typer.Option(metavar="N", min=0, help="CPU threads; 0 uses all cores.")] = 0,
    recursive: Recursive = True,
    overwrite: Overwrite = False,
    skip_existing: Skip = False,
    max_pixels: MaxPixels = MAX_PIXELS,
    page: Annotated[
        Path | None, typer.Option("--compare", metavar="PAGE", help="Also write a page that compares before and after.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Remove the noise from image files.

    The output keeps format, bit depth, alpha, color profile, EXIF and resolution. A file that fails is skipped with a
    message, and the exit status is then 1.
    """
    from pellucid.image.folders import DASH, plan_tasks

    given_sigma = _parse_sigma_255(sigma)
    existing = existing_policy(overwrite, skip_existing)
    tasks = plan_beside(inputs, existing, recursive) if out is None else plan_tasks(inputs, out, existing, recursive)
    is_stdout_used = any(task.target == DASH for task in tasks)
    if is_stdout_used and json_path == str(DASH):
        raise UsageError("an image and JSON cannot both go to standard output: give --json a file")
    if page and page.exists() and not overwrite:
        raise UsageError(f"{page} exists already: name another page, or give --overwrite")

    from pellucid.inference.denoiser import MIN_TILE
    from pellucid.inference.functional import load_denoiser
    from pellucid.inference.strength import check_strength

    check_strength(strength)
    if 0 < tile < MIN_TILE:
        raise UsageError(f"--tile {tile} is too small: give at least {MIN_TILE}, or 0 for the default size")
    denoiser = load_denoiser(model, engine, threads, tile, minutes=minutes)
    output = CommandOutput(json_path, is_stdout_used)
    if given_sigma is not None and not denoiser.conditional:
        output.print_note(f"--sigma {sigma} has no effect: {model} takes no noise level")
    work = ImageDenoiser(denoiser, given_sigma, strength, page is not None, stretch)
    limits = {"overwrite": overwrite, "max_pixels": max_pixels, "spec": denoiser.input_spec}
    failures = convert(output, tasks, work, "denoise", "denoised", out=out, **limits)
    done, pairs = work.finish(failures)
    if len(tasks) == len(done) == 1:
        output.print_note(f"{caption(done[0])} · {denoiser.engine}")
    if page and pairs:
        title = f"{pairs[0].name if len(done) == 1 else pluralize(len(done), 'image')}, denoised"
        more = f"The first {len(pairs)} of {len(done)} images." if len(pairs) < len(done) else ""
        write_page(page, pairs, title, model, more)
        output.print(f"before and after: {page}")
    failed = [{"file": str(failure.source), "reason": failure.reason} for failure in failures]
    options = {"model": model, "engine": denoiser.engine, "strength": strength}
    output.write_json(options | {"images": done, "failed": failed})
    refuse_failures(failures, len(tasks))


def _parse_sigma_255(sigma: str) -> float | None:
    """Return the noise level in [0, 1] units, or None for auto."""
    if sigma == AUTO:
        return None
    try:
        number = float(sigma)
    except ValueError:
        number = math.nan
    if not 0 <= number <= SIGMA_UNIT:
        raise UsageError(f"--sigma {sigma}: give auto, or a number from 0 to {SIGMA_UNIT}")
    return number / SIGMA_UNIT


class ImageDenoiser:
    """Denoises one image after another, and keeps a record of each and its part of the page."""

    def __init__(
        self,
        denoiser: "Denoiser",
        sigma: float | None,
        strength: float,
        has_page: bool,
        stretch: bool | None = None,
    ) -> None:
        """Take what applies to all images.

        Args:
            denoiser: the network.
            sigma: the noise level in [0, 1] units; None estimates it for each image.
            strength: from 0 to 1.
            has_page: whether a page will compare before and after.
            stretch: whether to stretch the contrast; None leaves it to the network.
        """
        self._denoiser, self._sigma, self._strength, self._has_page = denoiser, sigma, strength, has_page
        self._stretch = stretch
        self._done: dict[Path, dict[str, Any]] = {}
        self._pairs: dict[Path, ImagePair] = {}

    def __call__(self, image: "ImageFile", task: "Task", progress: "Callable[[int, int], None]") -> "np.ndarray":
        """Denoise an image."""
        from pellucid.inference.image_file import denoise_image

        denoised = denoise_image(image, self._denoiser, self._sigma, self._strength, self._stretch, progress)
        _, _, height, width = denoised.before.shape
        record = {"file": str(task.source), "out": str(task.target), "width": width, "height": height}
        sigma_255 = None if denoised.sigma is None else SIGMA_UNIT * denoised.sigma
        record |= {"sigma_255": sigma_255, "seconds": denoised.seconds}
        self._done[task.source] = record
        if self._has_page:
            self._keep_pair(image, task, denoised)
        return denoised.pixels

    def finish(self, failures: "Sequence[Failure]") -> "tuple[list[dict[str, Any]], list[ImagePair]]":
        """Return the records, and the pairs of the page, of the images that did not fail."""
        for failure in failures:
            self._done.pop(failure.source, None)
            self._pairs.pop(failure.source, None)
        return list(self._done.values()), list(self._pairs.values())

    def _keep_pair(self, image: "ImageFile", task: "Task", denoised: "DenoisedImage") -> None:
        from pellucid.report.before_after import MAX_PAIRS, make_pair

        if len(self._pairs) < MAX_PAIRS:
            text = caption(self._done[task.source])
            self._pairs[task.source] = make_pair(task.name, text, denoised.before, denoised.after, image.icc)


def caption(record: dict[str, Any]) -> str:
    """Return the size, noise level and time of an image as a line of text."""
    sigma_255 = record["sigma_255"]
    noise = "" if sigma_255 is None else f" · noise {sigma_255:.1f} of {SIGMA_UNIT}"
    return f"{record['width']} x {record['height']}{noise} · {format_duration(record['seconds'])}"


def write_page(path: Path, pairs: "Sequence[ImagePair]", title: str, model: str, more: str = "") -> None:
    """Write the page that compares images before and after; `more` ends its last line."""
    from pellucid import __version__
    from pellucid.report.before_after import render_page
    from pellucid.utils.atomic_write import atomic_write

    footer = f"Denoised by {Path(model).name} with Pellucid {__version__}. {more}".rstrip()
    with atomic_write(path) as temporary:
        temporary.write_text(render_page(pairs, title, footer), encoding="utf-8")
