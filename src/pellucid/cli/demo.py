"""pellucid demo: denoises the sample pictures, or trains on handwritten digits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli.console import CommandOutput, format_duration
from pellucid.cli.denoise import SIGMA_UNIT, ImageDenoiser, write_page
from pellucid.cli.image_options import convert, refuse_failures
from pellucid.cli.options import JsonPath, examples
from pellucid.cli.reproduce import report_entry, run_recipes

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
        short_help="Denoise two sample pictures, in seconds.",
        epilog=examples("pellucid demo", "pellucid demo --out first-look", "pellucid demo --digits"),
    )(demo)


def demo(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="The output folder; by default runs/demo, or runs/demo-digits."
        ),
    ] = None,
    digits: Annotated[
        bool,
        typer.Option(
            "--digits", help='Train on handwritten digits instead; takes minutes and needs "pellucid[train]".'
        ),
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Denoise two sample pictures, and write a page that shows them before and after.

    --digits trains a denoiser on handwritten digits, classifies them before and after denoising, and compares it with
    classical filters: on MNIST where it is available (pellucid fetch mnist), else on scikit-learn's small digits.
    """
    output = CommandOutput(json_path)
    if digits:
        _train_on_digits(output, out or Path("runs/demo-digits"))
    else:
        _denoise_samples(output, out or Path("runs/demo"))


def _denoise_samples(output: CommandOutput, out: Path) -> None:
    """Denoise the samples into a folder; the files of an earlier demonstration are replaced."""
    from pellucid.image.folders import plan_tasks
    from pellucid.inference.denoiser import DEFAULT_MODEL, Denoiser

    tasks = plan_tasks([SAMPLES / name for name in CREDITS], out, "overwrite")
    denoiser = Denoiser.load()
    work = ImageDenoiser(denoiser, None, 1.0, has_page=True)
    failures = convert(output, tasks, work, "demo", "denoised", out=out, overwrite=True)
    refuse_failures(failures, len(tasks))
    done, pairs = work.finish(failures)
    page = out / PAGE
    write_page(page, pairs, "Two noisy pictures, denoised", DEFAULT_MODEL, f"Pictures: {'; '.join(CREDITS.values())}.")
    rows = [
        (
            Path(image["file"]).name,
            f"{image['width']} x {image['height']}",
            f"{image['sigma_255']:.1f}",
            format_duration(image["seconds"]),
        )
        for image in done
    ]
    output.print_table(
        ("image", "size", f"noise of {SIGMA_UNIT}", "time"), rows, f"{DEFAULT_MODEL}, on {denoiser.engine}"
    )
    output.print_entries(
        {image["out"]: CREDITS[Path(image["file"]).name] for image in done}
        | {str(page): "before and after: open it in a browser and drag the line"}
    )
    output.print("\nYour own: pellucid denoise photo.jpg", "bold")
    output.write_json({"model": DEFAULT_MODEL, "engine": denoiser.engine, "images": done, "page": str(page)})


def _train_on_digits(output: CommandOutput, out: Path) -> None:
    """Train a denoiser on handwritten digits, compare it with classical filters, and write a report with pictures."""
    from pellucid import registry

    has_mnist = registry.build("data", "mnist", {}).available()
    name = "digits" if has_mnist else "demo"
    output.print_note(
        "MNIST's digits, 28x28" if has_mnist else "scikit-learn's digits, 8x8 (for MNIST: pellucid fetch mnist)"
    )
    results = run_recipes(output, [name], out, has_mnist, None, {}, None)
    entry = report_entry(results[0])

    from pellucid.report.tables import baselines_table, comparison_table

    output.print_report_table(comparison_table(entry), "" if entry.result["published"] else entry.name)
    output.print_report_table(baselines_table(entry))
    if summary := _summary(entry.result["measured"]):
        output.print(f"{summary[0].upper()}{summary[1:]}.\n", "bold")
    output.print_report_files(out, [entry.name])
    output.write_json(results)


def _summary(measured: Mapping[str, Any]) -> str:
    """Return a sentence with the main figures, as far as they were measured."""
    parts = []
    accuracies = [measured.get(f"accuracy_{version}") for version in ("noisy", "denoised", "clean")]
    if None not in accuracies:
        parts.append(
            "the classifier reads {:.1f} % of the noisy digits right, {:.1f} % of the denoised, "
            "{:.1f} % of the clean".format(*accuracies)
        )
    if None not in (psnr := [measured.get("noisy_psnr"), measured.get("psnr")]):
        parts.append("denoising lifts the PSNR from {:.2f} to {:.2f} dB".format(*psnr))
    return "; ".join(parts)
