"""The commands on any image: denoise, estimate-noise, compare."""

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Screen, counted, duration
from pellucid.cli.converting import (
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
    from collections.abc import Callable, Sequence

    import numpy as np

    from pellucid.compare import Comparison
    from pellucid.denoiser import Denoiser
    from pellucid.frames import Frames
    from pellucid.image import ImageFile
    from pellucid.image.folders import Failure, Task
    from pellucid.slider import Pair

AUTO = "auto"
WHITE = 255


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
        str, typer.Option("--model", "-m", metavar="NAME", help="A shipped one (pellucid list models), or a file.")
    ] = "photo",
    sigma: Annotated[
        str, typer.Option(metavar="auto|N", help="The noise level, white being 255; auto estimates it for each image.")
    ] = AUTO,
    strength: Annotated[
        float, typer.Option(metavar="0…1", help="Less lets fine texture return; 0 gives the image back as it was.")
    ] = 1.0,
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
        raise UsageError(f"{page} exists already: name another page, or ask to overwrite it")

    from pellucid.denoiser import Denoiser
    from pellucid.strength import check_strength

    check_strength(strength)
    denoiser = Denoiser.load(model, engine, threads, tile)
    screen = Screen(json_path, stdout_taken)
    if level is not None and not denoiser.conditional:
        screen.note(f"--sigma {sigma} has no effect: {model} is not told the noise level")
    work = _Work(denoiser, level, strength, page is not None)
    failures = convert(screen, tasks, work, "denoise", "denoised", out=out, overwrite=overwrite, max_pixels=max_pixels)
    done, pairs = work.finish(failures)
    if len(tasks) == len(done) == 1:
        screen.note(f"{_facts(done[0])} · {denoiser.engine}")
    if page and pairs:
        _write_page(page, pairs, len(done), model)
        screen.say(f"before and after: {page}")
    listed = [{"file": str(failure.source), "reason": failure.reason} for failure in failures]
    screen.give({"model": model, "engine": denoiser.engine, "strength": strength, "images": done, "failed": listed})
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
    screen = Screen(json_path)
    levels, failures, remarks = [], [], []
    with screen.bar("estimate noise") as bar:
        for position, (path, name) in enumerate(found):
            bar(position, len(found), f"{position}/{len(found)} {name}")
            try:
                with collected(remarks):
                    levels.append({"file": str(path), "sigma": WHITE * _read_level(path, max_pixels)})
            except PellucidError as error:
                if len(found) == 1:
                    raise
                failures.append(Failure(path, str(error)))
    show_failures(screen, remarks, failures)
    screen.table(("image", "noise"), [(entry["file"], f"{entry['sigma']:.1f}") for entry in levels])
    screen.give(levels)
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
    from pellucid.compare import compare
    from pellucid.image import read_image

    screen = Screen(json_path)
    files = [read_image(path, max_pixels) for path in (image, reference)]
    ranges = [_frames(file).white for file in files]
    # Of two files of one kind, one may look like 12 bits in 16, and the other not.
    white = max(ranges) if files[0].pixels.dtype == files[1].pixels.dtype else None
    found = compare(*(_frames(file, white) for file in files))
    for name, value, note in _shown(found):
        screen.say(f"{name:<18} {value:>10}  {note}".rstrip())
    screen.give(
        {
            "psnr": found.psnr if math.isfinite(found.psnr) else None,
            "ssim": found.ssim,
            "largest": WHITE * found.largest,
            "shift": WHITE * found.shift,
            "identical": not found.largest,
        }
    )


class _Work:
    """Denoises one image after the other, and keeps what is told and shown of them."""

    def __init__(self, denoiser: "Denoiser", level: float | None, strength: float, has_page: bool) -> None:
        """Take the level in [0, 1] units, or None to have it estimated, and whether there will be a page."""
        self._denoiser, self._level, self._strength, self._has_page = denoiser, level, strength, has_page
        self._done: dict[Path, dict[str, Any]] = {}
        self._pairs: dict[Path, Pair] = {}

    def __call__(self, image: "ImageFile", task: "Task", tell: "Callable[[int, int], None]") -> "np.ndarray":
        """Denoise an image."""
        from pellucid import noise_level

        started = time.monotonic()
        before, level = _frames(image), self._level
        if level is None and self._denoiser.conditional and self._strength:
            tell(0, 1)
            level = noise_level.estimate(before)
        options = {"channel_axis": -1, "data_range": before.white, "has_alpha": False}
        denoised = self._denoiser(
            _with_channels(image), level, strength=self._strength, progress=tell, name=str(image.path), **options
        )
        _, _, height, width = before.shape
        record = {"file": str(task.source), "out": str(task.target), "width": width, "height": height}
        record |= {"sigma": None if level is None else WHITE * level, "seconds": time.monotonic() - started}
        self._done[task.source] = record
        if self._has_page:
            self._show(image, task, before, denoised)
        return denoised.reshape(image.pixels.shape)

    def finish(self, failures: "Sequence[Failure]") -> "tuple[list[dict[str, Any]], list[Pair]]":
        """Return what is told, and what is shown, of the images that did not fail."""
        for failure in failures:
            self._done.pop(failure.source, None)
            self._pairs.pop(failure.source, None)
        return list(self._done.values()), list(self._pairs.values())

    def _show(self, image: "ImageFile", task: "Task", before: "Frames", denoised: "np.ndarray") -> None:
        from pellucid.frames import Frames
        from pellucid.slider import MOST_PAIRS, pair

        if len(self._pairs) < MOST_PAIRS:
            after = Frames(denoised, -1, before.white, has_alpha=False)
            facts = _facts(self._done[task.source])
            self._pairs[task.source] = pair(task.name, facts, before, after, image.icc)


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


def _with_channels(image: "ImageFile") -> "np.ndarray":
    """Return the pixels with the channels as their last axis, also where there is one."""
    return image.pixels[..., None] if image.channel_axis is None else image.pixels


def _frames(image: "ImageFile", white: float | None = None) -> "Frames":
    from pellucid.frames import Frames

    return Frames(_with_channels(image), -1, white, has_alpha=False, name=str(image.path))


def _read_level(path: Path, max_pixels: int) -> float:
    import sys

    from pellucid import noise_level
    from pellucid.image import read_image
    from pellucid.image.folders import DASH

    return noise_level.estimate(_frames(read_image(sys.stdin.buffer if path == DASH else path, max_pixels)))


def _facts(record: dict[str, Any]) -> str:
    sigma = record["sigma"]
    noise = "" if sigma is None else f" · noise {sigma:.1f} of {WHITE}"
    return f"{record['width']} x {record['height']}{noise} · {duration(record['seconds'])}"


def _write_page(page: Path, pairs: "Sequence[Pair]", number: int, model: str) -> None:
    from pellucid import __version__
    from pellucid.image import atomic_write
    from pellucid.slider import page as html

    title = f"{pairs[0].name}, denoised" if number == 1 else f"{counted(number, 'image')}, denoised"
    more = f" The first {len(pairs)} of {number} images." if len(pairs) < number else ""
    with atomic_write(page) as temporary:
        temporary.write_text(
            html(pairs, title, f"Denoised by {Path(model).name} with Pellucid {__version__}.{more}"), encoding="utf-8"
        )


def _shown(found: "Comparison") -> list[tuple[str, str, str]]:
    """Return what is said of a comparison: names, values and remarks."""
    no_ssim = 'SSIM needs SciPy: pip install "pellucid[compare]"'
    return [
        ("PSNR", "infinite" if math.isinf(found.psnr) else f"{found.psnr:.2f} dB", ""),
        ("SSIM", "-", no_ssim) if found.ssim is None else ("SSIM", f"{found.ssim:.4f}", ""),
        ("largest difference", f"{WHITE * found.largest:.1f}", f"of {WHITE}"),
        ("brighter by", f"{WHITE * found.shift:+.2f}", f"of {WHITE}"),
    ]
