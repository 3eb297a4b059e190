"""The command that tunes a recipe."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Bar, Screen, counted, duration
from pellucid.cli.options import JsonPath, SetValues, examples, toml_values
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.tune.study import Tuned, TuningProgress
    from pellucid.tune.trial import Outcome

NOTE = 60
HELP = """Train a recipe again and again for a short while, each time with other values, and keep the best.

\b
What --vary tries, in quotes where the shell needs them:
  model.up=nearest,bilinear           one or the other
  'model.widths=[16,32],[32,64]'      one list or the other: values are TOML, commas set them apart
  train.batch_size=16..128            a whole number from 16 to 128
  train.lr=1e-4..1e-2                 a number between; on a log scale, since it spans a decade or more

Trials that look hopeless beside the others are given up early, and those that fail are noted. Writes best.toml,
which pellucid train takes, study.sqlite3, tune.png, and each trial's recipe and losses. Ctrl-C ends the study after
the trial at hand, twice at once; --resume continues it.
"""
Vary = Annotated[
    list[str] | None,
    typer.Option("--vary", metavar="KEY=VALUES", help="A key of the recipe and what to try; may stand several times."),
]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(
        "tune",
        help=HELP,
        short_help="Find better widths, rates or other values for a recipe.",
        epilog=examples(
            "pellucid tune conv-pool --vary train.lr=1e-4..1e-2 --epochs 5",
            "pellucid tune conv-pool --vary 'model.widths=[16,32],[32,64],[32,64,128]' --vary train.batch_size=32..256 "
            "--quick --minutes 30",
            "pellucid tune conv-pool --vary train.lr=1e-4..1e-2 --epochs 5 --trials 50 --resume",
            "pellucid train runs/tune-conv-pool/best.toml",
        ),
    )(tune_recipe)


def tune_recipe(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A shipped recipe's name, or a .toml file.")],
    vary: Vary = None,
    trials: Annotated[int, typer.Option(metavar="N", min=1, help="How many trials in all.")] = 20,
    minutes: Annotated[
        float, typer.Option(metavar="M", min=0, help="Begin no trial after M minutes; 0: no limit.")
    ] = 0.0,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Epochs of a trial, in place of the recipe's.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Let the trials take the recipe's [quick] values.")] = False,
    values: SetValues = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of the values that are drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write; by default runs/tune-RECIPE.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the study in the folder where it stopped.")
    ] = False,
    json_path: JsonPath = None,
) -> None:
    """Tune a recipe; the help is `HELP`."""
    from pellucid.recipes.recipe import load_recipe

    chosen = load_recipe(recipe).with_changes(toml_values(values or []))
    if not vary:
        raise UsageError("nothing is varied: name a key and what to try, such as --vary train.lr=1e-4..1e-2")

    from pellucid.tune.space import read_space
    from pellucid.tune.study import tune

    screen = Screen(json_path)
    out = out or Path("runs") / f"tune-{chosen.name}"
    length = {"epochs": epochs, "quick": quick}
    with screen.bar(f"tune {chosen.name}") as bar:
        found = tune(
            chosen,
            read_space(vary),
            out,
            trials=trials,
            minutes=minutes,
            seed=seed,
            resume=resume,
            progress=_following(bar),
            **length,
        )
    _tell(screen, found, trials)
    screen.give(_figures(found))
    if found.stopped == "interrupted":
        kept = f"{len(found.outcomes)} of {trials} trials are kept in {out}"
        raise KeyboardInterrupt(f"{kept}; to continue: the same command with --resume")


def _following(bar: Bar) -> Any:
    """Return what moves the bar by a study's progress."""
    from pellucid.tune.space import text_of

    def follow(where: "TuningProgress") -> None:
        tried = ", ".join(f"{_short(key)} {text_of(value)}" for key, value in where.values.items())
        parts = [f"trial {where.number}/{where.trials}: {tried}"]
        if where.best is not None:
            parts.append(f"best {where.best:.5g}")
        if where.ending:
            parts.append("ending after this one, Ctrl-C again ends now")
        bar(where.done + where.share, where.trials, " · ".join(parts), where.seconds_left)

    return follow


def _short(key: str) -> str:
    """Return the last part of a key; of a name, what it names."""
    return key.removesuffix(".name").rpartition(".")[2]


def _tell(screen: Screen, found: "Tuned", trials: int) -> None:
    """Show the trials, the best ahead, and what was written."""
    from pellucid.tune.space import text_of

    keys = list(found.best.values)
    with_psnr = any(outcome.psnr is not None for outcome in found.outcomes)
    heads = ["trial", *keys, "validation loss", *(["PSNR, dB"] if with_psnr else []), "epochs", "time", ""]
    rows = []
    for outcome in _ranked(found):
        measured = [_figure(outcome.loss, ".5g"), *([_figure(outcome.psnr, ".2f")] if with_psnr else [])]
        shown = [text_of(outcome.values[key]) for key in keys]
        rest = [str(outcome.epochs), duration(outcome.seconds), _note(outcome, found)]
        rows.append([str(outcome.number), *shown, *measured, *rest])
    screen.table(heads, rows)
    if found.stopped == "time":
        screen.say(f"{len(found.outcomes)} of {trials} trials in the time given; --resume goes on\n")
    elif len(found.outcomes) < trials and found.stopped == "finished":
        screen.say(f"{counted(len(found.outcomes), 'trial')}: all that there is to try\n")
    folder = found.recipe.parent
    screen.entries(
        {
            str(found.recipe): "the recipe with the best values: pellucid train takes it",
            str(found.plot): "what each key did",
            str(folder / "trials"): "each trial's recipe and losses, and the network of the best",
            str(folder / "study.sqlite3"): "the study, where --resume continues",
        }
    )


def _ranked(found: "Tuned") -> "list[Outcome]":
    """Return the trials that were done, the best ahead, then those given up, then those that failed."""
    order = ("done", "pruned", "failed")

    def rank(outcome: "Outcome") -> tuple[int, float, int]:
        measured = outcome.psnr if found.by_psnr else outcome.loss
        ahead = 0.0 if measured is None else -measured if found.by_psnr else measured
        return order.index(outcome.state), ahead, outcome.number

    return sorted(found.outcomes, key=rank)


def _note(outcome: "Outcome", found: "Tuned") -> str:
    if outcome.state == "pruned":
        return "given up"
    if outcome.state == "failed":
        return f"failed: {outcome.note}"[:NOTE]
    return "best" if outcome is found.best else ""


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _figures(found: "Tuned") -> dict[str, Any]:
    return {
        "measure": "psnr" if found.by_psnr else "validation_loss",
        "stopped": found.stopped,
        "best": asdict(found.best),
        "recipe": str(found.recipe),
        "trials": [asdict(outcome) for outcome in found.outcomes],
    }
