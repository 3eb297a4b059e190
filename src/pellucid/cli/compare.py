"""pellucid compare: how different two images are."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.denoise import WHITE
from pellucid.cli.image_options import (
    LIMIT,
    MOST_PIXELS,
    MaxPixels,
)
from pellucid.cli.options import JsonPath, examples

if TYPE_CHECKING:
    from pellucid.evaluate.compare import Comparison


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "compare",
        short_help="Say how far apart two images are.",
        epilog=examples(
            "pellucid compare clean.png original.png",
            "pellucid compare clean.png original.png --json -",
        ),
    )(compare_images)


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


def _shown(found: "Comparison") -> list[tuple[str, str, str]]:
    """Return what is said of a comparison: names, values and remarks."""
    no_ssim = 'SSIM needs SciPy: pip install "pellucid[compare]"'
    return [
        ("PSNR", "infinite" if math.isinf(found.psnr) else f"{found.psnr:.2f} dB", ""),
        ("SSIM", "-", no_ssim) if found.ssim is None else ("SSIM", f"{found.ssim:.4f}", ""),
        ("largest difference", f"{WHITE * found.max_difference:.1f}", f"of {WHITE}"),
        ("brighter by", f"{WHITE * found.mean_shift:+.2f}", f"of {WHITE}"),
    ]
