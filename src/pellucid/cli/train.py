"""The command that trains."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import CommandOutput, format_duration, pluralize
from pellucid.cli.options import JsonPath, SetValues, examples, toml_values
from pellucid.cli.train_folders import Folders, choose_or_resume, print_outcome
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from pellucid.recipes.recipe import Recipe
    from pellucid.train.loop import TrainResult
    from pellucid.train.with_classifier import TrainedModels

RecipeName = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a .toml file; not with folders.")
]
OWN = "Your own images"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "train",
        short_help="Train a denoiser on your own images, or by a recipe.",
        epilog=examples(
            "pellucid train --noisy scans/noisy --clean scans/clean --minutes 20",
            'pellucid train --clean photos/ --noise "gaussian(sigma=25)" --from photo',
            "pellucid train --noisy microscope/",
            "pellucid train --noisy first-takes/ --noisy second-takes/",
            "pellucid train --out runs/microscope --resume",
            "pellucid train dense-uniform",
            "pellucid train dense-uniform --quick --out runs/first-look",
            "pellucid train conv-pool --epochs 20 --set noise.sigma=0.3 --set model.up=bilinear",
            "pellucid train conv-pool --resume",
        ),
    )(train_recipe)


def train_recipe(
    recipe: RecipeName = None,
    noisy: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="A folder of noisy images; give it twice for two takes of each.", rich_help_panel=OWN
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A folder of clean images; beside --noisy, of the same names.", rich_help_panel=OWN
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NOISE",
            help='What --clean alone gets, such as "gaussian(sigma=25)" (names: pellucid list noise); joined by + one '
            "follows another; given several times, each image gets one of them.",
            rich_help_panel=OWN,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="What finds the page, scene or field in a file's path: none of them is both trained on and measured. "
            "By default images belong together that have the very same clean one.",
            rich_help_panel=OWN,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The share of folders' images that is held out to be measured; 0.2 by default.",
            rich_help_panel=OWN,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="How long to train; by default 10 on folders, and by a recipe its epochs."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Start from a shipped network, such as photo, or a .safetensors."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write; by default runs/NAME.")
    ] = None,
    values: SetValues = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed, in place of the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="The epochs, in place of the recipe's.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Take the recipe's [quick] values: a first look.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard's files.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Train a denoiser on folders of your own images, or by a recipe, with the classifier behind it if it has one.

    Of folders it says what it found, chooses a recipe, and ends with a report of what was gained on images that were
    held out. They hold noisy and clean images, clean ones that get noise, noisy ones alone, or two takes of each.

    Writes recipe.toml, stats.jsonl (a line an epoch), best.safetensors and last.safetensors. Ctrl-C ends the run after
    the step at hand; --resume continues it as if it had not stopped. Processes that torchrun started share every batch,
    and the first of them alone writes and tells.
    """
    folders = Folders(noisy or (), clean, noise or (), group_by, validation)
    if recipe:
        folders.refuse_recipe(recipe)
    changes = _changes(values, seed, epochs, minutes, start)
    is_resumed = resume and recipe is None and not folders.is_used and out is not None

    from pellucid.train.distributed import process_group

    with process_group() as group:
        output = CommandOutput(json_path) if group.is_main else SilentOutput()
        if recipe or is_resumed:
            chosen = _by_recipe(recipe or str(_recipe_in(out)), changes, quick)
            out = out or Path("runs") / chosen.name
        else:
            chosen, out = choose_or_resume(output, folders, out, changes, resume, quick, group)
        _train(output, chosen, out, resume, tensorboard, group.is_main)


def _changes(
    values: list[str] | None, seed: int | None, epochs: int | None, minutes: float | None, start: str | None
) -> dict[str, Any]:
    """Return the keys of the recipe that the options change."""
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes {minutes:g} is no time to train in: give more than 0")
    named = {"train.seed": seed, "train.epochs": epochs, "train.minutes": minutes, "train.start": start}
    changes = toml_values(values or []) | {key: value for key, value in named.items() if value is not None}
    if "train.epochs" in changes and changes.get("train.minutes"):
        raise UsageError("--epochs and --minutes exclude each other: give one")
    return changes


def _recipe_in(out: Path | None) -> Path:
    """Return the recipe of the run to resume; raises UsageError if there is none."""
    path = (out or Path()) / "recipe.toml"
    if not path.is_file():
        raise UsageError(f"there is no run in {out}: name its folder, or start it on folders of images")
    return path


def _by_recipe(name: str, changes: dict[str, Any], quick: bool) -> "Recipe":
    from pellucid.recipes.recipe import load_recipe

    chosen = load_recipe(name)
    return (chosen.with_quick_values() if quick else chosen).with_changes(changes)


def _train(output: CommandOutput, chosen: "Recipe", out: Path, resume: bool, tensorboard: bool, leads: bool) -> None:
    """Train by a recipe, and say how it went; a data set of the user's own files ends with a report."""
    from pellucid.own_data.run import DATASET

    with output.bar(f"train {chosen.name}") as bar:
        follow = _following(bar)
        if chosen.data.name == DATASET:
            from pellucid.own_data.run import train_file_list
            from pellucid.train.with_classifier import TrainedModels

            def on_file_evaluated(done: int, total: int) -> None:
                bar(done, total, f"{done} of {total} held-out files measured")

            told = functools.partial(follow, "denoiser")
            options = {
                "resume": resume,
                "progress": told,
                "on_file_evaluated": on_file_evaluated,
                "tensorboard": tensorboard,
            }
            outcome = train_file_list(chosen, out, **options)
            trained = TrainedModels(outcome.result)
        else:
            from pellucid.train.with_classifier import train_all

            outcome = None
            trained = train_all(chosen, out, resume=resume, progress=follow, tensorboard=tensorboard)
    if trained.interrupted:
        if leads:
            raise KeyboardInterrupt(
                f"{trained.denoiser.best} can be used; to continue: "
                f"pellucid train {out / 'recipe.toml'} --out {out} --resume"
            )
    elif outcome:
        _tell(output, outcome.result)
        print_outcome(output, outcome, out)
    else:
        _tell_all(output, trained, out)


def _following(bar: Any) -> Any:
    """Return what moves the bar by a training run's progress."""

    def follow(role: str, where: Any) -> None:
        losses = f"loss {where.train_loss:.4f}"
        if where.validation_loss is not None:
            losses += f", validation {where.validation_loss:.4f}"
        text = f"{role}, epoch {where.epoch}/{where.epochs} · {losses} · {where.samples_per_second:,.0f} samples/s"
        bar(where.step, where.total_steps, text, where.seconds_left)

    return follow


class SilentOutput(CommandOutput):
    """The screen of a process that does not lead its group: it shows nothing."""

    @functools.cached_property
    def stdout(self) -> "Console":
        """A console that prints nothing."""
        from rich.console import Console

        return Console(quiet=True)

    @functools.cached_property
    def stderr(self) -> "Console":
        """The same console."""
        return self.stdout


def _tell_all(output: CommandOutput, trained: "TrainedModels", out: Path) -> None:
    """Say how the runs ended and what they wrote, and give their figures."""
    results = {"denoiser": trained.denoiser, "classifier": trained.classifier}
    for result in filter(None, results.values()):
        _tell(output, result)
    output.print_entries(_written(trained, out))
    output.write_json({role: _figures(result) for role, result in results.items() if result})


def _written(trained: "TrainedModels", out: Path) -> dict[str, str]:
    """Name the files of a run, and what each is."""
    files = {str(trained.denoiser.best): "the denoiser of the best epoch"}
    if trained.combined:
        files[str(trained.combined)] = "the denoiser with the classifier, for pellucid classify"
    return files | {
        str(out / "last.safetensors"): "where --resume continues",
        str(out / "stats.jsonl"): "losses and speed, a line an epoch",
        str(out / "recipe.toml"): "the recipe, with what was chosen for this machine",
    }


def _tell(output: CommandOutput, result: "TrainResult") -> None:
    """Say in words how a run ended."""
    history, options = result.history, result.recipe.train
    best = min(history, key=lambda entry: entry["validation_loss"])
    endings = {
        "finished": f"{pluralize(len(history), 'epoch')} done",
        "early": f"stopped early after {pluralize(len(history), 'epoch')}: the validation loss no longer fell",
    }
    output.print(f"{result.recipe.name}: {endings[result.stopped]}", "bold")
    output.print(
        f"  best in epoch {best['epoch']}: training loss {best['train_loss']:.4f}, "
        f"validation loss {best['validation_loss']:.4f}"
    )
    seconds = sum(entry["seconds"] for entry in history)
    speed = sum(entry["samples_per_second"] * entry["seconds"] for entry in history) / seconds
    output.print(
        f"  {speed:,.0f} samples/s on {pluralize(options.threads, 'thread')} in {options.precision}, "
        f"{format_duration(seconds)}"
    )
    if result.overfitting:
        output.print(f"  {result.overfitting}", "yellow")


def _figures(result: "TrainResult") -> dict[str, Any]:
    return {
        "recipe": result.recipe.to_dict(),
        "stopped": result.stopped,
        "overfitting": result.overfitting,
        "best": str(result.best),
        "history": result.history,
    }
