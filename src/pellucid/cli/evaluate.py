"""pellucid evaluate: measures a denoiser on its test images, on scans with OCR, or by a classifier."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pellucid.cli.console import CommandOutput
from pellucid.cli.evaluate_classifier import DEFAULT as DENOISER
from pellucid.cli.evaluate_classifier import evaluate_classifier
from pellucid.cli.evaluate_ocr import DEFAULT as OCR_DENOISER
from pellucid.cli.evaluate_ocr import evaluate_ocr
from pellucid.cli.options import JsonPath, SeedList, examples, seed_list
from pellucid.errors import UsageError

# Options that cannot be combined with images of the user's own, and why.
NOT_WITH_IMAGES = {
    "--recipe": "the images are given by name",
    "--no-baselines": "no filters run",
    "--out": "the figures go to --json FILE",
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "evaluate",
        short_help="Evaluate a trained denoiser against classical filters.",
        epilog=examples(
            "pellucid evaluate runs/conv-pool/best.safetensors",
            "pellucid evaluate runs/conv-pool/combined.safetensors --limit 1000 --out runs/conv-pool/report",
            "pellucid evaluate runs/conv-pool/best.safetensors --no-baselines --json -",
            "pellucid evaluate --ocr scans/ --text texts/",
            "pellucid evaluate --classifier digits.onnx digits/ --noise 'gaussian(sigma=50)' --model photo",
        ),
    )(evaluate)


def evaluate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL",
            help="A checkpoint or a shipped model; a combined one gives accuracies. With --classifier: images.",
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
        Path | None,
        typer.Option(metavar="FILE", help="A classifier, .safetensors or .onnx, to measure its accuracy."),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option("--noise", "-n", metavar="NOISE", help="With --classifier: noise to add to images."),
    ] = None,
    ocr: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="Noisy scans for Tesseract to read, before and after.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="TEXTS", help="With --ocr: the true texts, .txt files of the same names.")
    ] = None,
    clean: Annotated[
        Path | None, typer.Option(metavar="IMAGES", help="With --ocr: clean scans of the same names.")
    ] = None,
    language: Annotated[str, typer.Option(metavar="NAME", help="With --ocr: Tesseract's language.")] = "eng",
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="Gives data and noise; by default the model's own."),
    ] = None,
    seeds: SeedList = None,
    limit: Annotated[int, typer.Option(metavar="N", min=0, help="Use N of the test images; 0 uses all.")] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Tune and run the recipe's classical filters too.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Also write a report with pictures there."),
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Evaluate a trained denoiser on its test images, against the classical filters that its recipe names.

    Each filter is tuned on training images and corrected in gain and offset. PSNR is the mean over the images.

    With --ocr, measure the errors of Tesseract instead: edits between its text and the true one, in characters and in
    words, relative to the length of all texts together.

    With --classifier FILE IMAGES, measure the accuracy of a classifier before and after denoising. IMAGES are folders
    with one folder per class, named as the classifier names the class or by its number. --noise, as in add-noise, is
    added first, once for each of --seeds.
    """
    if images_option := "--classifier" if classifier else "--ocr" if ocr else "":
        _refuse({"--recipe": recipe, "--no-baselines": not baselines, "--out": out}, images_option, NOT_WITH_IMAGES)
    if classifier:
        if ocr or text or clean:
            raise UsageError("--ocr, --text and --clean cannot be combined with --classifier: give one or the other")
        if not noise:
            _refuse({"--seeds": seeds}, "--classifier", {"--seeds": "nothing is random without --noise"})
        output, noise_seeds = CommandOutput(json_path), seed_list(seeds) or (0,)
        evaluate_classifier(output, classifier, inputs or [], name or DENOISER, noise, noise_seeds, limit)
        return
    if noise:
        raise UsageError("--noise goes with --classifier: name one, or choose the noise by --recipe")
    model, *more = inputs or [None]
    if more:
        raise UsageError(f"one model is evaluated at a time, not {model} and {more[0]}: give one")
    if model and name:
        raise UsageError(f"the model is given twice, as {model} and as --model {name}: give one")
    if ocr:
        _refuse({"--seeds": seeds}, "--ocr", {"--seeds": "nothing is random"})
        evaluate_ocr(CommandOutput(json_path), name or str(model or OCR_DENOISER), ocr, text, clean, language, limit)
        return
    if text or clean:
        raise UsageError(f"--{'text' if text else 'clean'} goes with --ocr: name the images too")
    if not (model or name):
        raise UsageError("no model to evaluate: name a checkpoint, such as runs/conv-pool/best.safetensors")
    _evaluate_noise(CommandOutput(json_path), model or Path(str(name)), recipe, seed_list(seeds), limit, baselines, out)


def _refuse(options: Mapping[str, object], other: str, reasons: Mapping[str, str]) -> None:
    """Raise UsageError for the first of the options that has a value."""
    for option, value in options.items():
        if value:
            raise UsageError(f"{option} cannot be combined with {other}: {reasons[option]}")


def _evaluate_noise(
    output: CommandOutput,
    model: Path,
    recipe: str | None,
    seeds: Sequence[int] | None,
    limit: int,
    has_baselines: bool,
    out: Path | None,
) -> None:
    """Evaluate a checkpoint with the data and noise of its recipe, or of another one."""
    from pellucid.recipes.recipe import load_recipe

    chosen = load_recipe(recipe) if recipe else None

    from pellucid.weights import catalog

    if str(model) in catalog.names():
        model = catalog.find(str(model)).safetensors or model

    from pellucid.report.tables import baselines_table, comparison_table
    from pellucid.reproduce.evaluate_checkpoint import evaluate_checkpoint

    with output.bar("evaluate") as bar:
        entry = evaluate_checkpoint(
            model,
            chosen,
            seeds=seeds,
            baselines=None if has_baselines else (),
            limit=limit,
            progress=lambda fraction: bar(fraction, 1.0),
        )
    output.print_report_table(comparison_table(entry), "" if entry.result["published"] else entry.name)
    output.print_report_table(baselines_table(entry))
    if out:
        from pellucid.report.write import write_report

        written = write_report([entry], out, f"{entry.name}: measured")
        output.print_report_files(written.html.parent, [entry.name])
    output.write_json(entry.result)
