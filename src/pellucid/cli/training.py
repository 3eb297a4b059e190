"""The command that trains."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Screen, counted, duration
from pellucid.cli.options import JsonPath, SetValues, examples, toml_values

if TYPE_CHECKING:
    from rich.console import Console

    from pellucid.train import Result
    from pellucid.train.combined import Trained

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a .toml file.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "train",
        short_help="Train a denoiser by a recipe.",
        epilog=examples(
            "pellucid train dense-uniform",
            "pellucid train dense-uniform --quick --out runs/first-look",
            "pellucid train conv-pool --epochs 20 --set noise.sigma=0.3 --set model.up=bilinear",
            "pellucid train conv-pool --resume",
        ),
    )(train_recipe)


def train_recipe(
    recipe: RecipeName,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write; by default runs/RECIPE.")
    ] = None,
    values: SetValues = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="The seed, in place of the recipe's.")] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="The epochs, in place of the recipe's.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Take the recipe's [quick] values: a first look.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the folder where it stopped.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard's files.")] = False,
    json_path: JsonPath = None,
) -> None:
    """Train a denoiser by a recipe, and the classifier behind it where the recipe has one.

    Writes recipe.toml, stats.jsonl (a line an epoch), best.safetensors and last.safetensors. Ctrl-C ends the run
    after the step at hand; --resume continues it as if it had not stopped. Processes that torchrun started share
    every batch, and the first of them alone writes and tells.
    """
    from pellucid.recipe import load_recipe

    chosen = load_recipe(recipe)
    changes = toml_values(values or [])
    changes |= {} if seed is None else {"train.seed": seed}
    changes |= {} if epochs is None else {"train.epochs": epochs}
    chosen = (chosen.quickened() if quick else chosen).with_values(changes)
    out = out or Path("runs") / chosen.name

    from pellucid.train.combined import train_all
    from pellucid.train.group import joined

    with joined() as group:
        screen = Screen(json_path) if group.leads else SilentScreen()
        with screen.bar(f"train {chosen.name}") as bar:
            trained = train_all(chosen, out, resume=resume, progress=_following(bar), tensorboard=tensorboard)
    if not trained.interrupted:
        _tell_all(screen, trained, out)
    elif group.leads:
        raise KeyboardInterrupt(
            f"{trained.denoiser.best} can be used; to continue: "
            f"pellucid train {out / 'recipe.toml'} --out {out} --resume"
        )


def _following(bar: Any) -> Any:
    """Return what moves the bar by a training run's progress."""

    def follow(role: str, where: Any) -> None:
        losses = f"loss {where.train_loss:.4f}"
        if where.validation_loss is not None:
            losses += f", validation {where.validation_loss:.4f}"
        text = f"{role}, epoch {where.epoch}/{where.epochs} · {losses} · {where.samples_per_second:,.0f} samples/s"
        bar(where.step, where.total_steps, text, where.seconds_left)

    return follow


class SilentScreen(Screen):
    """The screen of a process that does not lead its group: it shows nothing."""

    @functools.cached_property
    def words(self) -> "Console":
        """A console that prints nothing."""
        from rich.console import Console

        return Console(quiet=True)

    @functools.cached_property
    def aside(self) -> "Console":
        """The same console."""
        return self.words


def _tell_all(screen: Screen, trained: "Trained", out: Path) -> None:
    """Say how the runs ended and what they wrote, and give their figures."""
    results = {"denoiser": trained.denoiser, "classifier": trained.classifier}
    for result in filter(None, results.values()):
        _tell(screen, result)
    screen.entries(_written(trained, out))
    screen.give({role: _figures(result) for role, result in results.items() if result})


def _written(trained: "Trained", out: Path) -> dict[str, str]:
    """Name the files of a run, and what each is."""
    files = {str(trained.denoiser.best): "the denoiser of the best epoch"}
    if trained.combined:
        files[str(trained.combined)] = "the denoiser with the classifier, for pellucid classify"
    return files | {
        str(out / "last.safetensors"): "where --resume continues",
        str(out / "stats.jsonl"): "losses and speed, a line an epoch",
        str(out / "recipe.toml"): "the recipe, with what was chosen for this machine",
    }


def _tell(screen: Screen, result: "Result") -> None:
    """Say in words how a run ended."""
    history, options = result.history, result.recipe.train
    best = min(history, key=lambda entry: entry["validation_loss"])
    endings = {
        "finished": f"{counted(len(history), 'epoch')} done",
        "early": f"stopped early after {counted(len(history), 'epoch')}: the validation loss no longer fell",
    }
    screen.say(f"{result.recipe.name}: {endings[result.stopped]}", "bold")
    screen.say(
        f"  best in epoch {best['epoch']}: training loss {best['train_loss']:.4f}, "
        f"validation loss {best['validation_loss']:.4f}"
    )
    seconds = sum(entry["seconds"] for entry in history)
    speed = sum(entry["samples_per_second"] * entry["seconds"] for entry in history) / seconds
    screen.say(
        f"  {speed:,.0f} samples/s on {counted(options.threads, 'thread')} in {options.precision}, {duration(seconds)}"
    )
    if result.overfitting:
        screen.say(f"  {result.overfitting}", "yellow")


def _figures(result: "Result") -> dict[str, Any]:
    return {
        "recipe": result.recipe.to_dict(),
        "stopped": result.stopped,
        "overfitting": result.overfitting,
        "best": str(result.best),
        "history": result.history,
    }
