"""`pellucid train` on folders of the user's own images, and on a recipe that such a run wrote."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.cli.console import CommandOutput, format_duration
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.own_data.run import TrainOutcome, TrainPlan
    from pellucid.own_data.sources import Sources
    from pellucid.recipes.recipe import Recipe
    from pellucid.train.distributed import ProcessGroup

STAGE_TEXTS = {"read": "images read", "noise": "analyzed for noise", "noise levels": "noise levels estimated"}


@dataclass(frozen=True)
class Folders:
    """The options of `pellucid train` for folders; one that is not used is None or empty."""

    noisy: Sequence[Path]
    clean: Path | None
    noise: Sequence[str]
    group_by: str | None
    validation: float | None

    @property
    def is_used(self) -> bool:
        """Whether any of them is used."""
        return any((self.noisy, self.clean, self.noise, self.group_by is not None, self.validation is not None))

    def sources(self) -> "Sources":
        """Return the folders and the noise to add."""
        from pellucid.own_data.sources import Sources

        return Sources(tuple(self.noisy), self.clean, tuple(self.noise))

    def refuse_recipe(self, recipe: str) -> None:
        """Raise UsageError if there are both a recipe and folders, or if the recipe is a folder."""
        if self.is_used:
            raise UsageError(
                f"RECIPE ({recipe}) and folders exclude each other: leave RECIPE out and change recipe keys by --set, "
                "or edit the recipe.toml that the run writes and train that"
            )

        from pellucid.recipes.recipe import recipe_names

        if Path(recipe).is_dir() and recipe not in recipe_names():
            raise UsageError(f"{recipe} is a folder, not a RECIPE: give it as --noisy {recipe} or --clean {recipe}")


def choose_or_resume(
    output: CommandOutput,
    folders: Folders,
    out: Path | None,
    changes: Mapping[str, Any],
    resume: bool,
    quick: bool,
    group: "ProcessGroup",
) -> "tuple[Recipe, Path]":
    """Return a new recipe for folders, or that of the run to resume, and the folder of the run.

    In a process group the main process analyzes the folders, and the others read the recipe that it wrote.

    Args:
        output: prints the analysis.
        folders: the folders.
        out: the folder of the run, or None for runs/NAME.
        changes: the keys of the recipe that the user changes.
        resume: whether to continue a run.
        quick: whether the user gave --quick, which only shipped recipes support.
        group: the processes that train.

    Raises:
        UsageError: if the options do not go together or do not fit the folders.
        PellucidError: if the folders cannot be trained on.
    """
    if quick:
        raise UsageError("--quick is for recipes: give few --minutes, such as --minutes 1")
    if resume and not folders.is_used:
        raise UsageError("--resume alone: name the run to continue, such as --out runs/scans")

    from pellucid.own_data.run import resumable_recipe
    from pellucid.recipes.recipe import load_recipe
    from pellucid.train.run_folder import RunFolder

    sources = folders.sources()
    out = sources.run_folder(out)
    if resume and (recipe := resumable_recipe(out, sources, changes)):
        return recipe, out
    plan = None
    try:
        if group.is_main:
            plan = _make_plan(output, folders, out, changes)
    finally:
        is_planned = group.broadcast(float(plan is not None))
    if not is_planned:
        raise typer.Exit(1)
    return plan.recipe if plan else load_recipe(RunFolder(out).recipe), out


def _make_plan(output: CommandOutput, folders: Folders, out: Path, changes: Mapping[str, Any]) -> "TrainPlan":
    """Analyze the folders, print and write the list of files and the recipe."""
    from pellucid.own_data.run import TrainOptions, make_plan

    grouping = {"group_by": folders.group_by, "validation": folders.validation}
    options = TrainOptions(values=changes, **{name: value for name, value in grouping.items() if value is not None})
    with output.bar("analyze the images") as bar, warnings.catch_warnings():
        # Warnings would be repeated for every file; those that matter are printed below the bar.
        warnings.simplefilter("ignore")

        def progress(stage: str, done: int, total: int) -> None:
            bar(done, total, f"{done:,} of {total:,} {STAGE_TEXTS[stage]}")

        plan = make_plan(folders.sources(), out, options, progress)
    print_plan(output, plan)
    plan.write(out)
    return plan


def print_plan(output: CommandOutput, plan: "TrainPlan") -> None:
    """Print the analysis, its warnings, and the chosen recipe."""
    from pellucid.own_data.analysis import list_warnings

    recipe = plan.recipe
    for line in recipe.origin.assumed:
        output.print(line)
    for line in list_warnings(plan.analysis):
        output.print_warning(line)
    options = recipe.train
    start = f" from {options.start}" if options.start else ""
    parts = [f"{recipe.model.name} {recipe.model.options.get('widths', '')}{start}", recipe.objective.name]
    if options.minutes:
        parts.append(recipe.loss.name if recipe.loss else "no loss")
        parts.append(f"patches of {recipe.data.options['patch']}, {options.batch_size} per batch")
        parts.append(f"for {format_duration(60 * options.minutes)}")
    else:
        parts.append(f"{options.epochs} epochs")
    output.print(f"chosen: {', '.join(parts)}")


def print_outcome(output: CommandOutput, outcome: "TrainOutcome", out: Path) -> None:
    """Print the metrics of the held-out files, what was written, and how to use it."""
    from pellucid.own_data.report import table_rows
    from pellucid.own_data.run import FILES
    from pellucid.train.run_folder import RunFolder
    from pellucid.utils.json_npz import json_safe

    result, evaluation, folder = outcome.result, outcome.evaluation, RunFolder(out)
    if evaluation is None:
        return
    heads, rows = table_rows(evaluation)
    output.print_table(heads, rows, f"{evaluation.count} held-out files, as whole images")
    for text in filter(None, (evaluation.note, evaluation.verdict)):
        output.print(text)
    output.print_entries(
        {
            str(outcome.report): "metrics and pictures in one self-contained page",
            str(out / "progress.png"): "parts of held-out images, epoch by epoch",
            str(folder.best): "the network",
            str(folder.recipe): "the recipe, to edit and train again",
            str(out / FILES): "the files: trained on, held out and skipped",
        }
    )
    output.print(f"\nto use it: pellucid denoise IMAGE --model {folder.best}", "bold")
    training = {
        "recipe": result.recipe.to_dict(),
        "stopped": result.stopped,
        "best": result.best,
        "history": result.history,
    }
    output.write_json(json_safe(training | evaluation.to_dict()))
