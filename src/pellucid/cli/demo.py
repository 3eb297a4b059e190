"""The command that shows what Pellucid does, on pictures that come with it."""

from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput, format_duration
from pellucid.cli.denoise_run import WHITE, Cleaning, write_page
from pellucid.cli.evaluate import demonstrate_digits
from pellucid.cli.image_options import convert, refuse_failures
from pellucid.cli.options import JsonPath, examples

SAMPLES = Path(__file__).parents[1] / "samples"
CREDITS = {
    "mountains.jpg": "Picos de Europa by Aitzol Berasategi, CC BY 4.0",
    "galaxies.jpg": "Hubble eXtreme Deep Field by NASA, ESA and the HUDF09 team",
}
PAGE = "before-after.html"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "demo",
        short_help="Clean two noisy pictures, in seconds.",
        epilog=examples("pellucid demo", "pellucid demo --out first-look", "pellucid demo --digits"),
    )(demo)


def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where to; by default runs/demo, or runs/demo-digits."),
    ] = None,
    digits: Annotated[
        bool,
        typer.Option("--digits", help='Train on handwritten digits instead: minutes, and "pellucid[train]" for it.'),
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Clean two noisy pictures that come with Pellucid, and write a page that shows them before and after.

    --digits trains a denoiser on handwritten digits, reads them before and after, and measures it beside classical
    filters: on MNIST where it is at hand (pellucid fetch mnist), else on the small digits that scikit-learn carries.
    """
    output = CommandOutput(json_path)
    if digits:
        demonstrate_digits(output, out or Path("runs/demo-digits"))
    else:
        _clean_samples(output, out or Path("runs/demo"))


def _clean_samples(output: CommandOutput, out: Path) -> None:
    """Denoise the samples into a folder; what lies there from an earlier demonstration is replaced."""
    from pellucid.image.folders import plan
    from pellucid.inference.denoiser import DEFAULT_MODEL, Denoiser

    tasks = plan([SAMPLES / name for name in CREDITS], out, "overwrite")
    denoiser = Denoiser.load()
    work = Cleaning(denoiser, None, 1.0, has_page=True)
    failures = convert(output, tasks, work, "demo", "denoised", out=out, overwrite=True)
    refuse_failures(failures, len(tasks))
    done, pairs = work.finish(failures)
    page = out / PAGE
    write_page(page, pairs, "Two noisy pictures, denoised", DEFAULT_MODEL, f"Pictures: {'; '.join(CREDITS.values())}.")
    rows = [
        (
            Path(image["file"]).name,
            f"{image['width']} x {image['height']}",
            f"{image['sigma']:.1f}",
            format_duration(image["seconds"]),
        )
        for image in done
    ]
    output.print_table(("picture", "size", f"noise of {WHITE}", "time"), rows, f"{DEFAULT_MODEL}, on {denoiser.engine}")
    output.print_entries(
        {image["out"]: CREDITS[Path(image["file"]).name] for image in done}
        | {str(page): "before and after: open it in a browser and drag the line"}
    )
    output.print("\nYour own: pellucid denoise photo.jpg", "bold")
    output.write_json({"model": DEFAULT_MODEL, "engine": denoiser.engine, "images": done, "page": str(page)})
