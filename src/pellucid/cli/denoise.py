"""pellucid denoise: removes the noise from image files."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from pellucid.cli.console import CommandOutput, format_duration, pluralize
from pellucid.cli.image_options import (
    MOST_PIXELS,
    Inputs,
    MaxPixels,
    Overwrite,
    Recursive,
    Skip,
    convert,
    existing,
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
    from pellucid.report.before_after import Pair


WHITE = 255

AUTO = "auto"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
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
    from pellucid.image.folders import DASH, plan_tasks

    level = _level(sigma)
    present = existing(overwrite, skip_existing)
    tasks = plan_beside(inputs, present, recursive) if out is None else plan_tasks(inputs, out, present, recursive)
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


class Cleaning:
    """Denoises one image after the other, and keeps what is told and shown of them."""

    def __init__(
        self,
        denoiser: "Denoiser",
        level: float | None,
        strength: float,
        has_page: bool,
        stretch: bool | None = None,
    ) -> None:
        """Take the level in [0, 1] units, or None to have it estimated, and whether there will be a page."""
        self._denoiser, self._level, self._strength, self._has_page = denoiser, level, strength, has_page
        self._stretch = stretch
        self._done: dict[Path, dict[str, Any]] = {}
        self._pairs: dict[Path, Pair] = {}

    def __call__(self, image: "ImageFile", task: "Task", tell: "Callable[[int, int], None]") -> "np.ndarray":
        """Denoise an image."""
        from pellucid.inference.image_file import denoise_image

        cleaned = denoise_image(image, self._denoiser, self._level, self._strength, self._stretch, tell)
        _, _, height, width = cleaned.before.shape
        record = {"file": str(task.source), "out": str(task.target), "width": width, "height": height}
        record |= {"sigma": None if cleaned.sigma is None else WHITE * cleaned.sigma, "seconds": cleaned.seconds}
        self._done[task.source] = record
        if self._has_page:
            self._show(image, task, cleaned)
        return cleaned.pixels

    def finish(self, failures: "Sequence[Failure]") -> "tuple[list[dict[str, Any]], list[Pair]]":
        """Return what is told, and what is shown, of the images that did not fail."""
        for failure in failures:
            self._done.pop(failure.source, None)
            self._pairs.pop(failure.source, None)
        return list(self._done.values()), list(self._pairs.values())

    def _show(self, image: "ImageFile", task: "Task", cleaned: "DenoisedImage") -> None:
        from pellucid.report.before_after import MOST_PAIRS, pair

        if len(self._pairs) < MOST_PAIRS:
            told = facts(self._done[task.source])
            self._pairs[task.source] = pair(task.name, told, cleaned.before, cleaned.after, image.icc)


def facts(record: dict[str, Any]) -> str:
    """Say size, noise level and time of an image that `Cleaning` has done."""
    sigma = record["sigma"]
    noise = "" if sigma is None else f" · noise {sigma:.1f} of {WHITE}"
    return f"{record['width']} x {record['height']}{noise} · {format_duration(record['seconds'])}"


def write_page(path: Path, pairs: "Sequence[Pair]", title: str, model: str, more: str = "") -> None:
    """Write the page that shows images before and after; `more` follows the line at its end."""
    from pellucid import __version__
    from pellucid.report.before_after import page
    from pellucid.utils.atomic_write import atomic_write

    foot = f"Denoised by {Path(model).name} with Pellucid {__version__}. {more}".rstrip()
    with atomic_write(path) as temporary:
        temporary.write_text(page(pairs, title, foot), encoding="utf-8")
