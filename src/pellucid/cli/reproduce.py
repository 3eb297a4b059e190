"""pellucid reproduce: trains and evaluates recipes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Bar, CommandOutput
from pellucid.cli.options import JsonPath, SeedList, SetValues, examples, seed_list, toml_values

if TYPE_CHECKING:
    from pellucid.report.entry import ReportEntry

ALL = "all"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "reproduce",
        short_help="Train and evaluate recipes; compare with published figures.",
        epilog=examples(
            "pellucid reproduce dense-uniform --quick",
            "pellucid reproduce all --quick",
            "pellucid reproduce dense-uniform conv-pool --seeds 0,1,2 --json figures.json",
        ),
    )(reproduce)


def reproduce(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help='Recipes by name, .toml files, or "all".')],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="The output folder; finished runs in it are kept.")
    ] = Path("runs/reproduce"),
    quick: Annotated[bool, typer.Option("--quick", help="Shorten each recipe by its [quick] table.")] = False,
    seeds: SeedList = None,
    values: SetValues = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Trainings at the same time; by default one per core.")
    ] = None,
    json_path: JsonPath = None,
) -> None:
    """Train and evaluate recipes, and compare the results with the published figures.

    Writes a report page with pictures, and the figures as CSV and JSON. After Ctrl-C the same command continues.
    """
    chosen = _recipes_with_baselines() if names == [ALL] else names
    output = CommandOutput(json_path)
    results = run_recipes(output, chosen, out, quick, seed_list(seeds), toml_values(values or []), workers)
    entries = [report_entry(result) for result in results]

    from pellucid.report.tables import summary_table

    output.print_report_table(summary_table(entries), labels=2, has_notes=False)
    if changes := {f"{entry.name}, quick:": "; ".join(entry.cuts) for entry in entries if entry.cuts}:
        output.print_entries(changes)
        output.print()
    output.print_report_files(out, [entry.name for entry in entries])
    output.write_json(results)


def _recipes_with_baselines() -> list[str]:
    """Return the names of the shipped recipes that are compared with baselines."""
    from pellucid.recipes.recipe import load_recipe, recipe_names

    return [name for name in recipe_names() if load_recipe(name).evaluate.baselines]


def run_recipes(
    output: CommandOutput,
    names: Sequence[str],
    out: Path,
    quick: bool,
    seeds: Sequence[int] | None,
    values: Mapping[str, Any],
    workers: int | None,
) -> list[dict[str, Any]]:
    """Train and evaluate recipes under a progress bar; returns a result for each recipe."""
    from pellucid.reproduce.reproduction import reproduce

    with output.bar("reproduce" if len(names) > 1 else names[0]) as bar:
        options = {"quick": quick, "seeds": seeds, "values": values, "workers": workers}
        return reproduce(names, out, **options, progress=_progress_callback(bar))


def report_entry(result: dict[str, Any]) -> "ReportEntry":
    """Return the report's entry for a result."""
    from pellucid.report.entry import ReportEntry

    return ReportEntry(result, str(result["recipe"]), "")


def _progress_callback(bar: Bar) -> Any:
    """Return a callback that moves the bar."""

    def update_bar(progress: Any) -> None:
        running = ", ".join(f"{name} {fraction:.0%}" for name, fraction in progress.running.items())
        bar(progress.done, 1.0, f"{progress.jobs_done}/{progress.jobs} jobs · {running}", progress.seconds_left)

    return update_bar
