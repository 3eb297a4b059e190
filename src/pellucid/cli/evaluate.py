"""pellucid evaluate: measures a denoiser on its test images, on scans with OCR, or by a classifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.evaluate_classifier import DEFAULT as DENOISER
from pellucid.cli.evaluate_classifier import evaluate_classifier
from pellucid.cli.evaluate_ocr import DEFAULT as READER
from pellucid.cli.evaluate_ocr import evaluate_reading
from pellucid.cli.options import JsonPath, SeedList, examples, seed_list
from pellucid.errors import UsageError

if TYPE_CHECKING:
    pass

# What does not go with images of the user's own, and why.
NOT_WITH_IMAGES = {
    "--recipe": "the images are those that are named",
    "--no-rivals": "no filters run",
    "--out": "the figures go to --json FILE",
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "evaluate",
        short_help="Measure a trained denoiser beside classical filters.",
        epilog=examples(
            "pellucid evaluate runs/conv-pool/best.safetensors",
            "pellucid evaluate runs/conv-pool/combined.safetensors --limit 1000 --out runs/conv-pool/report",
            "pellucid evaluate runs/conv-pool/best.safetensors --no-rivals --json -",
            "pellucid evaluate --ocr scans/ --text texts/",
            "pellucid evaluate --classifier digits.onnx digits/ --noise 'gaussian(sigma=50)' --model photo",
        ),
    )(evaluate)


def evaluate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL",
            help="A checkpoint, or a shipped one; a combined one for accuracies too. With --classifier, the images.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="The denoiser, instead of MODEL; by default photo with --classifier, document with --ocr.",
        ),
    ] = None,
    classifier: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A classifier, .safetensors or .onnx, to read images by class.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option("--noise", "-n", metavar="NOISE", help="With --classifier: what to add to the images.")
    ] = None,
    ocr: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="Noisy scans for Tesseract to read, before and after.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="TEXTS", help="With --ocr: what they read, in .txt files of the same names.")
    ] = None,
    clean: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="With --ocr: clean scans of the same names, to read too.")
    ] = None,
    language: Annotated[str, typer.Option(metavar="NAME", help="With --ocr: as Tesseract calls it.")] = "eng",
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data and noise; by default the model's own.")
    ] = None,
    seeds: SeedList = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Take N of the test images; 0 takes all.")] = 0,
    rivals: Annotated[
        bool, typer.Option("--rivals/--no-rivals", help="Tune and run the recipe's classical filters too.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Also write a report with pictures there.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Measure a trained denoiser on its test images, beside the classical filters that its recipe names.

    Each filter is tuned on training images and corrected in gain and offset. PSNR is the mean of the images' own.

    With --ocr, measure what Tesseract misreads instead: the edits from what it reads to the true text, in characters
    and in words, relative to the text's length; all pages count together.

    With --classifier FILE IMAGES, measure how many images a classifier reads right. IMAGES are folders that hold a
    folder a class, named as the classifier names it or by its number; --noise, as add-noise takes it, is added first,
    anew for each of --seeds.
    """
    if beside := "--classifier" if classifier else "--ocr" if ocr else "":
        _refuse({"--recipe": recipe, "--no-rivals": not rivals, "--out": out}, beside, NOT_WITH_IMAGES)
    if classifier:
        if ocr or text or clean:
            raise UsageError("--ocr, --text and --clean do not go with --classifier: give one or the other")
        if not noise:
            _refuse({"--seeds": seeds}, "--classifier", {"--seeds": "no noise is drawn without --noise"})
        drawn = seed_list(seeds) or (0,)
        evaluate_classifier(CommandOutput(json_path), classifier, inputs or [], name or DENOISER, noise, drawn, limit)
        return
    if noise:
        raise UsageError("--noise goes with --classifier: name one, or choose the noise by --recipe")
    model, *more = inputs or [None]
    if more:
        raise UsageError(f"one model is evaluated at a time, not {model} and {more[0]}: give one")
    if model and name:
        raise UsageError(f"the model is given twice, as {model} and as --model {name}: give one")
    if ocr:
        _refuse({"--seeds": seeds}, "--ocr", {"--seeds": "no noise is drawn"})
        evaluate_reading(CommandOutput(json_path), name or str(model or READER), ocr, text, clean, language, limit)
        return
    if text or clean:
        raise UsageError(f"--{'text' if text else 'clean'} goes with --ocr: name the images to be read too")
    if not (model or name):
        raise UsageError("no model to evaluate: name a checkpoint, such as runs/conv-pool/best.safetensors")
    _evaluate_noise(CommandOutput(json_path), model or Path(str(name)), recipe, seed_list(seeds), limit, rivals, out)


def _refuse(given: Mapping[str, object], beside: str, reasons: Mapping[str, str]) -> None:
    """Raise UsageError for the first of the options that was given."""
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} does not go with {beside}: {reasons[option]}")


def _evaluate_noise(
    output: CommandOutput,
    model: Path,
    recipe: str | None,
    seeds: Sequence[int] | None,
    limit: int,
    rivals: bool,
    out: Path | None,
) -> None:
    """Measure a checkpoint on the noise of its recipe, or of another one."""
    from pellucid.recipes.recipe import load_recipe

    chosen = load_recipe(recipe) if recipe else None

    from pellucid import weights

    if str(model) in weights.names():
        model = weights.find(str(model)).safetensors or model

    from pellucid.report.tables import comparison_table, rivals_table
    from pellucid.reproduce.evaluate_checkpoint import assess

    with output.bar("evaluate") as bar:
        entry = assess(
            model,
            chosen,
            seeds=seeds,
            rivals=None if rivals else (),
            limit=limit,
            progress=lambda share: bar(share, 1.0),
        )
    output.print_report_table(comparison_table(entry), "" if entry.result["published"] else entry.name)
    output.print_report_table(rivals_table(entry))
    if out:
        from pellucid.report.write import write_report

        written = write_report([entry], out, f"{entry.name}: measured")
        output.print_report_files(written.html.parent, [entry.name])
    output.write_json(entry.result)
