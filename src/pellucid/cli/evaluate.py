"""The commands that measure: evaluate and reproduce; and the demonstration on digits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Bar, CommandOutput
from pellucid.cli.evaluate_classifier import DEFAULT as DENOISER
from pellucid.cli.evaluate_classifier import evaluate_classifier
from pellucid.cli.evaluate_ocr import DEFAULT as READER
from pellucid.cli.evaluate_ocr import evaluate_reading
from pellucid.cli.options import JsonPath, SeedList, SetValues, examples, seed_list, toml_values
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.report.entry import Entry
    from pellucid.report.tables import Table

ALL = "all"
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
    app.command(
        "reproduce",
        short_help="Train and measure recipes: published beside measured.",
        epilog=examples(
            "pellucid reproduce dense-uniform --quick",
            "pellucid reproduce all --quick",
            "pellucid reproduce dense-uniform conv-pool --seeds 0,1,2 --json figures.json",
        ),
    )(reproduce)


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


def reproduce(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help='Recipes by name, .toml files, or "all".')],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where to; what is done there is kept.")
    ] = Path("runs/reproduce"),
    quick: Annotated[bool, typer.Option("--quick", help="Cut each recipe by its [quick] table.")] = False,
    seeds: SeedList = None,
    values: SetValues = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trainings side by side; by default one a core.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Train and measure recipes, and set what was published beside what was measured.

    Ctrl-C leaves every run in order: the same command continues. Writes a report page with pictures, and the figures
    as CSV and JSON.
    """
    chosen = _compared() if names == [ALL] else names
    output = CommandOutput(json_path)
    results = _reproduce(output, chosen, out, quick, seed_list(seeds), toml_values(values or []), workers)
    entries = [_entry(result) for result in results]

    from pellucid.report.tables import summary_table

    _show(output, summary_table(entries), labels=2, notes=False)
    if cuts := {f"{entry.name}, cut:": "; ".join(entry.cuts) for entry in entries if entry.cuts}:
        output.print_entries(cuts)
        output.print()
    _name_report(output, out, [entry.name for entry in entries])
    output.write_json(results)


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
    _show(output, comparison_table(entry), "" if entry.result["published"] else entry.name)
    _show(output, rivals_table(entry))
    if out:
        from pellucid.report.write import write_report

        written = write_report([entry], out, f"{entry.name}: measured")
        _name_report(output, written.html.parent, [entry.name])
    output.write_json(entry.result)


def _compared() -> list[str]:
    """Return the shipped recipes that are measured beside rivals."""
    from pellucid.recipes.recipe import load_recipe, recipe_names

    return [name for name in recipe_names() if load_recipe(name).evaluate.baselines]


def demonstrate_digits(output: CommandOutput, out: Path) -> None:
    """Train a denoiser on handwritten digits, measure it beside classical filters, and write pictures and a report."""
    from pellucid import registry

    at_hand = registry.build("data", "mnist", {}).available()
    name = "digits" if at_hand else "demo"
    output.print_note(
        "MNIST's digits, 28x28" if at_hand else "scikit-learn's digits, 8x8 (for MNIST: pellucid fetch mnist)"
    )
    results = _reproduce(output, [name], out, at_hand, None, {}, None)
    entry = _entry(results[0])

    from pellucid.report.tables import comparison_table, rivals_table

    _show(output, comparison_table(entry), "" if entry.result["published"] else entry.name)
    _show(output, rivals_table(entry))
    if told := _told(entry.result["measured"]):
        output.print(f"{told[0].upper()}{told[1:]}.\n", "bold")
    _name_report(output, out, [entry.name])
    output.write_json(results)


def _reproduce(
    output: CommandOutput,
    names: Sequence[str],
    out: Path,
    quick: bool,
    seeds: Sequence[int] | None,
    values: Mapping[str, Any],
    workers: int | None,
) -> list[dict[str, Any]]:
    from pellucid.reproduce.reproduction import reproduce

    with output.bar("reproduce" if len(names) > 1 else names[0]) as bar:
        return reproduce(names, out, quick=quick, seeds=seeds, values=values, workers=workers, progress=_following(bar))


def _following(bar: Bar) -> Any:
    """Return what moves the bar by a reproduction's progress."""

    def follow(where: Any) -> None:
        running = ", ".join(f"{name} {share:.0%}" for name, share in where.running.items())
        bar(where.done, 1.0, f"{where.jobs_done}/{where.jobs} jobs · {running}", where.seconds_left)

    return follow


def _entry(result: dict[str, Any]) -> "Entry":
    from pellucid.report.entry import Entry

    return Entry(result, str(result["recipe"]), "")


def _show(output: CommandOutput, table: "Table | None", title: str = "", labels: int = 1, notes: bool = True) -> None:
    """Print a table of the report without its empty columns; the notes to its rows stand in a last one."""
    if table is None:
        return
    from pellucid.report.formatting import ABSENT

    rows = [(*row.cells, row.note if notes else "") for row in table.rows]
    heads = (*table.heads, "")
    kept = [index for index in range(len(heads)) if index == 0 or any(row[index] not in ("", ABSENT) for row in rows)]
    shown = [[row[index] for index in kept] for row in rows]
    output.print_table([heads[index] for index in kept], shown, title or table.caption, labels)


def _told(measured: Mapping[str, Any]) -> str:
    """Say the main figures in a sentence, as far as they are there."""
    parts = []
    if None not in (read := [measured.get(f"accuracy_{version}") for version in ("noisy", "denoised", "clean")]):
        parts.append(
            "the classifier reads {:.1f} % of the noisy digits right, {:.1f} % of the denoised, "
            "{:.1f} % of the clean".format(*read)
        )
    if None not in (psnr := [measured.get("noisy_psnr"), measured.get("psnr")]):
        parts.append("denoising lifts the PSNR from {:.2f} to {:.2f} dB".format(*psnr))
    return "; ".join(parts)


def _name_report(output: CommandOutput, out: Path, names: Sequence[str]) -> None:
    """Name the report's files and its pictures."""
    pictures = sorted((out / names[0]).glob("*.png")) if len(names) == 1 else [out / "*" / "*.png"]
    output.print_entries(
        {str(out / "report.html"): "the report, a page that needs nothing else"}
        | {str(picture): "pictures" for picture in pictures}
        | {
            str(out / "report.md"): "the same as Markdown",
            str(out / "results.json"): "the figures, also as results.csv",
        }
    )
