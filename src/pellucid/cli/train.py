"""pellucid train: trains a denoiser on the user's images, or by a recipe."""

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
OWN_IMAGES = "Your own images"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "train",
        short_help="Train a denoiser on your own images, or by a recipe.",
        epilog=examples(
            "pellucid train --noisy scans/noisy --clean scans/clean --minutes 20",
            'pellucid train --clean photos/ --noise "gaussian(sigma=25)" --from photo',
            "pellucid train --noisy microscope/",
            "pellucid train --noisy first-captures/ --noisy second-captures/",
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
            metavar="DIR",
            help="A folder of noisy images; give it twice for two captures of each.",
            rich_help_panel=OWN_IMAGES,
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A folder of clean images; with --noisy: of the same names.", rich_help_panel=OWN_IMAGES
        ),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NOISE",
            help='Noise for --clean alone, such as "gaussian(sigma=25)" (names: pellucid list noise); noises joined by '
            "+ follow each other; given several times, each image gets one of them.",
            rich_help_panel=OWN_IMAGES,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Finds the page, scene or field in a file's path: the images of one are never split between training "
            "and validation. By default images with the same clean image form a group.",
            rich_help_panel=OWN_IMAGES,
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="0…1",
            help="The fraction of the images that is held out for validation; by default 0.2.",
            rich_help_panel=OWN_IMAGES,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", help="How long to train; by default 10 on folders, else the epochs of the recipe."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Start from a shipped model, such as photo, or a .safetensors."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="The output folder; by default runs/NAME.")
    ] = None,
    values: SetValues = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed, instead of the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="The epochs, instead of the recipe's.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use the recipe's [quick] values, for a first try.")] = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="cpu, cuda, mps, or auto: a CUDA GPU where there is one."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out where it stopped.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write event files of TensorBoard.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Train a denoiser on folders of your own images, or by a recipe, with the recipe's classifier if it has one.

    Folders hold noisy and clean images, clean ones that get noise, only noisy ones, or two captures of each scene. The
    command describes them, chooses a recipe, and ends with a report on held-out images.

    Writes recipe.toml, stats.jsonl (one line per epoch), best.safetensors and last.safetensors. Ctrl-C ends the run
    after the current step; --resume continues it to the same result. Under torchrun the processes share every batch,
    and only the first one writes files and prints.
    """
    folders = Folders(noisy or (), clean, noise or (), group_by, validation)
    if recipe:
        folders.refuse_recipe(recipe)
    named = {"seed": seed, "epochs": epochs, "minutes": minutes, "start": start, "device": device}
    changes = _recipe_changes(values, named)
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


def _recipe_changes(values: list[str] | None, named: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of the recipe that --set changes, and the keys of [train] that options of their own do."""
    minutes = named["minutes"]
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes {minutes:g} is too short: give more than 0")
    changes = toml_values(values or [])
    changes |= {f"train.{key}": value for key, value in named.items() if value is not None}
    if "train.epochs" in changes and changes.get("train.minutes"):
        raise UsageError("--epochs and --minutes exclude each other: give one")
    return changes


def _recipe_in(out: Path | None) -> Path:
    """Return the path of the recipe of the run to resume; raises UsageError if there is none."""
    from pellucid.train.run_folder import RunFolder

    path = RunFolder(out or Path()).recipe
    if not path.is_file():
        raise UsageError(f"there is no run in {out}: give its folder, or start one on folders of images")
    return path


def _by_recipe(name: str, changes: dict[str, Any], quick: bool) -> "Recipe":
    from pellucid.recipes.recipe import load_recipe

    chosen = load_recipe(name)
    return (chosen.with_quick_values() if quick else chosen).with_changes(changes)


def _train(output: CommandOutput, chosen: "Recipe", out: Path, resume: bool, tensorboard: bool, is_main: bool) -> None:
    """Train by a recipe and print the results; training on the user's own files ends with a report."""
    from pellucid.own_data.run import DATASET
    from pellucid.train.run_folder import RunFolder

    with output.bar(f"train {chosen.name}") as bar:
        update_bar = _progress_callback(bar)
        if chosen.data.name == DATASET:
            from pellucid.own_data.run import train_file_list
            from pellucid.train.with_classifier import TrainedModels

            def on_file_evaluated(done: int, total: int) -> None:
                bar(done, total, f"{done} of {total} held-out files evaluated")

            progress = functools.partial(update_bar, "denoiser")
            options = {
                "resume": resume,
                "progress": progress,
                "on_file_evaluated": on_file_evaluated,
                "tensorboard": tensorboard,
            }
            outcome = train_file_list(chosen, out, **options)
            trained = TrainedModels(outcome.result)
        else:
            from pellucid.train.with_classifier import train_all

            outcome = None
            trained = train_all(chosen, out, resume=resume, progress=update_bar, tensorboard=tensorboard)
    if trained.interrupted:
        if is_main:
            raise KeyboardInterrupt(
                f"{trained.denoiser.best} can be used; to continue: "
                f"pellucid train {RunFolder(out).recipe} --out {out} --resume"
            )
    elif outcome:
        _print_result(output, outcome.result)
        print_outcome(output, outcome, out)
    else:
        _print_results(output, trained, out)


def _progress_callback(bar: Any) -> Any:
    """Return a callback that moves the bar."""

    def update_bar(role: str, progress: Any) -> None:
        losses = f"loss {progress.train_loss:.4f}"
        if progress.validation_loss is not None:
            losses += f", validation {progress.validation_loss:.4f}"
        speed = f"{progress.samples_per_second:,.0f} samples/s"
        text = f"{role}, epoch {progress.epoch}/{progress.epochs} · {losses} · {speed}"
        bar(progress.step, progress.total_steps, text, progress.seconds_left)

    return update_bar


class SilentOutput(CommandOutput):
    """The output of a process that is not the main one of its group: it prints nothing."""

    @functools.cached_property
    def stdout(self) -> "Console":
        """A console that prints nothing."""
        from rich.console import Console

        return Console(quiet=True)

    @functools.cached_property
    def stderr(self) -> "Console":
        """The same console."""
        return self.stdout


def _print_results(output: CommandOutput, trained: "TrainedModels", out: Path) -> None:
    """Print how the runs ended and the files that they wrote, and write their figures as JSON."""
    results = {"denoiser": trained.denoiser, "classifier": trained.classifier}
    for result in filter(None, results.values()):
        _print_result(output, result)
    output.print_entries(_describe_files(trained, out))
    output.write_json({role: _result_json(result) for role, result in results.items() if result})


def _describe_files(trained: "TrainedModels", out: Path) -> dict[str, str]:
    """Return the files of a run, each with a description."""
    from pellucid.train.run_folder import RunFolder

    folder = RunFolder(out)
    files = {str(trained.denoiser.best): "the denoiser of the best epoch"}
    if trained.combined:
        files[str(trained.combined)] = "the denoiser with the classifier, for pellucid classify"
    return files | {
        str(folder.last): "where --resume continues",
        str(folder.stats): "losses and speed, one line per epoch",
        str(folder.recipe): "the recipe, with the values chosen for this machine",
    }


def _print_result(output: CommandOutput, result: "TrainResult") -> None:
    """Print how a run ended."""
    history, options = result.history, result.recipe.train
    best = min(history, key=lambda entry: entry["validation_loss"])
    endings = {
        "finished": f"{pluralize(len(history), 'epoch')} done",
        "early": f"stopped early after {pluralize(len(history), 'epoch')}: the validation loss did not fall any more",
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


def _result_json(result: "TrainResult") -> dict[str, Any]:
    return {
        "recipe": result.recipe.to_dict(),
        "stopped": result.stopped,
        "overfitting": result.overfitting,
        "best": str(result.best),
        "history": result.history,
    }
