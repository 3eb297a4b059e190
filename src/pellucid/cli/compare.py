"""pellucid compare: how different two images are."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.denoise import SIGMA_UNIT
from pellucid.cli.image_options import LIMIT_OPTION, MAX_PIXELS, MaxPixels
from pellucid.cli.options import JsonPath, examples

if TYPE_CHECKING:
    from pellucid.evaluate.compare import Comparison


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "compare",
        short_help="Compare two images: PSNR, SSIM and differences.",
        epilog=examples(
            "pellucid compare clean.png original.png",
            "pellucid compare clean.png original.png --json -",
        ),
    )(compare_images)


def compare_images(
    image: Annotated[Path, typer.Argument(metavar="A", help="An image file.")],
    reference: Annotated[Path, typer.Argument(metavar="B", help="Another of the same size, such as the original.")],
    max_pixels: MaxPixels = MAX_PIXELS,
    json_path: JsonPath = None,
) -> None:
    """Compare two images: PSNR, SSIM, the largest difference, and how much brighter A is than B.

    Their formats and bit depths may differ. Alpha is ignored.
    """
    from pellucid.evaluate.compare import compare
    from pellucid.image import read_image
    from pellucid.inference.image_file import as_frames

    output = CommandOutput(json_path)
    files = [read_image(path, max_pixels, limit_name=LIMIT_OPTION) for path in (image, reference)]
    ranges = [as_frames(file).data_range for file in files]
    # One of two 16-bit files may look like 12 bits in 16, and the other not.
    data_range = max(ranges) if files[0].pixels.dtype == files[1].pixels.dtype else None
    found = compare(*(as_frames(file, data_range) for file in files))
    for name, value, note in _comparison_rows(found):
        output.print(f"{name:<18} {value:>10}  {note}".rstrip())
    output.write_json(
        {
            "psnr": found.psnr if math.isfinite(found.psnr) else None,
            "ssim": found.ssim,
            "max_difference_255": SIGMA_UNIT * found.max_difference,
            "mean_shift_255": SIGMA_UNIT * found.mean_shift,
            "identical": not found.max_difference,
        }
    )


def _comparison_rows(found: "Comparison") -> list[tuple[str, str, str]]:
    """Return names, values and notes."""
    no_ssim = 'SSIM needs SciPy: pip install "pellucid[compare]"'
    return [
        ("PSNR", "infinite" if math.isinf(found.psnr) else f"{found.psnr:.2f} dB", ""),
        ("SSIM", "-", no_ssim) if found.ssim is None else ("SSIM", f"{found.ssim:.4f}", ""),
        ("largest difference", f"{SIGMA_UNIT * found.max_difference:.1f}", f"of {SIGMA_UNIT}"),
        ("brighter by", f"{SIGMA_UNIT * found.mean_shift:+.2f}", f"of {SIGMA_UNIT}"),
    ]
