"""What `pellucid train` does with folders of the user's own images, and with a recipe that such a run left."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pellucid.cli.console import Bar, CommandOutput, format_duration
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.own_data.run import Outcome, Plan
    from pellucid.own_data.sources import Sources
    from pellucid.recipes.recipe import Recipe
    from pellucid.train.distributed import ProcessGroup

DOING = {"read": "images read", "noise": "looked at for noise", "noise levels": "noise levels estimated"}


@dataclass(frozen=True)
class Folders:
    """The options of `pellucid train` that belong to folders; None where one was not given."""

    noisy: Sequence[Path]
    clean: Path | None
    noise: Sequence[str]
    group_by: str | None
    validation: float | None

    @property
    def given(self) -> bool:
        """Whether any of them was given."""
        return any((self.noisy, self.clean, self.noise, self.group_by is not None, self.validation is not None))

    def sources(self) -> "Sources":
        """Return the folders themselves."""
        from pellucid.own_data.sources import Sources

        return Sources(tuple(self.noisy), self.clean, tuple(self.noise))

    def refuse_recipe(self, recipe: str) -> None:
        """Raise UsageError where a recipe stands beside folders, or is one."""
        if self.given:
            raise UsageError(
                f"RECIPE ({recipe}) and folders exclude each other: leave RECIPE out, and change what is chosen by "
                "--set, or edit the recipe.toml that the run writes and train that"
            )

        from pellucid.recipes.recipe import recipe_names

        if Path(recipe).is_dir() and recipe not in recipe_names():
            raise UsageError(
                f"{recipe} is a folder, not a RECIPE: say what is in it, --noisy {recipe} or --clean {recipe}"
            )


def chosen_recipe(
    output: CommandOutput,
    folders: Folders,
    out: Path | None,
    changes: Mapping[str, Any],
    resume: bool,
    quick: bool,
    group: "ProcessGroup",
) -> "tuple[Recipe, Path]":
    """Return the recipe for folders, newly chosen or that of the run to resume, and the folder of the run.

    Of several processes the leading one looks at the folders, and the others take what it wrote.

    Args:
        screen: says what was found.
        folders: the folders.
        out: the folder of the run, or None for runs/NAME.
        changes: the keys of the recipe that the user changes.
        resume: whether to continue a run.
        quick: whether the recipe's quick values are asked for, which it has not.
        group: the processes that train.
    """
    if quick:
        raise UsageError("--quick is for recipes: give few --minutes, such as --minutes 1")
    if resume and not folders.given:
        raise UsageError("--resume alone: name the run to continue, such as --out runs/scans")

    from pellucid.own_data.run import begun
    from pellucid.recipes.recipe import load_recipe

    sources = folders.sources()
    out = sources.run_folder(out)
    if resume and (recipe := begun(out, sources, changes)):
        return recipe, out
    planned = None
    try:
        if group.is_main:
            planned = _planned(output, folders, out, changes)
    finally:
        is_planned = group.broadcast(float(planned is not None))
    if not is_planned:
        raise typer.Exit(1)
    return planned.recipe if planned else load_recipe(out / "recipe.toml"), out


def _planned(output: CommandOutput, folders: Folders, out: Path, changes: Mapping[str, Any]) -> "Plan":
    """Look at the folders, say what was found and chosen, and write it down."""
    from pellucid.own_data.run import Options, plan

    grouping = {"group_by": folders.group_by, "validation": folders.validation}
    options = Options(values=changes, **{name: value for name, value in grouping.items() if value is not None})
    with output.bar("look at the images") as bar, warnings.catch_warnings():
        # What is remarkable in a file is said once the bar is gone; its warnings would be said for every file.
        warnings.simplefilter("ignore")
        planned = plan(folders.sources(), out, options, _looking(bar))
    tell_plan(output, planned)
    planned.write(out)
    return planned


def tell_plan(output: CommandOutput, planned: "Plan") -> None:
    """Say what was found, what to mind, and what was chosen."""
    from pellucid.own_data.summary import remarks

    for line in planned.recipe.origin.assumed:
        output.print(line)
    for line in remarks(planned.findings):
        output.print_warning(line)
    recipe = planned.recipe
    network = f"{recipe.model.name} {recipe.model.options.get('widths', '')}"
    start = f" from {recipe.train.start}" if recipe.train.start else ""
    data = recipe.data
    output.print(
        f"chosen: {network}{start}, {recipe.objective.name}, {recipe.loss.name if recipe.loss else 'no loss'}, patches "
        f"of {data.options['patch']}, {recipe.train.batch_size} a batch, for {format_duration(60 * recipe.train.minutes)}"
        if recipe.train.minutes
        else f"chosen: {network}{start}, {recipe.objective.name}, {recipe.train.epochs} epochs"
    )


def tell_outcome(output: CommandOutput, outcome: "Outcome", out: Path) -> None:
    """Say what was gained on the held-out files, what was written, and how to use it."""
    from pellucid.own_data.report import finite, rows

    measured = outcome.measured
    if measured is None:
        return
    count = f"{measured.files}" if measured.files == measured.held_out else f"{measured.files} of {measured.held_out}"
    heads, cells = rows(measured)
    output.print_table(heads, cells, f"{count} held-out files, whole")
    for text in filter(None, (measured.remark, measured.verdict)):
        output.print(text)
    output.print_entries(
        {
            str(outcome.report): "figures and pictures, a page that needs nothing else",
            str(out / "progress.png"): "how it grew",
            str(out / "best.safetensors"): "the network",
            str(out / "recipe.toml"): "how it was trained, to edit and train again",
            str(out / "files.json"): "on which files, and which were held out or left out",
        }
    )
    output.print(f"\nto use it: pellucid denoise IMAGE --model {out / 'best.safetensors'}", "bold")
    history = outcome.result.history
    output.write_json(
        finite(
            {
                "recipe": outcome.result.recipe.to_dict(),
                "stopped": outcome.result.stopped,
                "best": str(outcome.result.best),
                "history": history,
                "files": measured.files,
                "held_out": measured.held_out,
                "means": measured.means,
                "each": measured.each,
                "remark": measured.remark,
            }
        )
    )


def _looking(bar: Bar) -> Callable[[str, int, int], None]:
    """Return what moves the bar while folders are looked at."""

    def follow(doing: str, done: int, total: int) -> None:
        bar(done, total, f"{done:,} of {total:,} {DOING[doing]}")

    return follow
