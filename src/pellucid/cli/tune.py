"""The command that tunes a recipe."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli.console import Bar, CommandOutput, format_duration, pluralize
from pellucid.cli.options import JsonPath, SetValues, examples, toml_values
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.tune.study import StudyResult
    from pellucid.tune.trial import TrialResult

NOTE_LENGTH = 60
HELP = """Train a recipe again and again for a short while, each time with other values, and keep the best.

\b
What --vary tries, in quotes where the shell needs them:
  model.up=nearest,bilinear           one or the other
  'model.widths=[16,32],[32,64]'      one list or the other: values are TOML, separated by commas
  train.batch_size=16..128            a whole number from 16 to 128
  train.lr=1e-4..1e-2                 a number between; on a log scale, since it spans a decade or more

Trials that are worse than most others are stopped early (pruned), and those that fail are recorded. Writes best.toml,
which pellucid train accepts, study.sqlite3, tune.png, and each trial's recipe and losses. Ctrl-C ends the study after
the current trial, a second one at once; --resume continues it.
"""
Vary = Annotated[
    list[str] | None,
    typer.Option(
        "--vary", metavar="KEY=VALUES", help="A key of the recipe and what to try; may be given several times."
    ),
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
        float, typer.Option(metavar="M", min=0, help="Start no trial after M minutes; 0: no limit.")
    ] = 0.0,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Epochs of a trial, instead of the recipe's.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use the recipe's [quick] values in the trials.")] = False,
    values: SetValues = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of the values that are tried.")] = 0,
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

    output = CommandOutput(json_path)
    out = out or Path("runs") / f"tune-{chosen.name}"
    length = {"epochs": epochs, "quick": quick}
    with output.bar(f"tune {chosen.name}") as bar:
        result = tune(
            chosen,
            read_space(vary),
            out,
            trials=trials,
            minutes=minutes,
            seed=seed,
            resume=resume,
            progress=_progress_callback(bar, trials),
            **length,
        )
    _print_result(output, result, trials)
    output.write_json(_result_json(result))
    if result.stopped == "interrupted":
        kept = f"{len(result.trials)} of {trials} trials are kept in {out}"
        raise KeyboardInterrupt(f"{kept}; to continue: the same command with --resume")


def _progress_callback(bar: Bar, trials: int) -> Any:
    """Return a callback that moves the bar with the study's progress."""
    return lambda done, text, left: bar(done, trials, text, left)


def _print_result(output: CommandOutput, result: "StudyResult", trials: int) -> None:
    """Show the trials, the best first, and the files."""
    from pellucid.tune.space import text_of

    keys = list(result.best.values)
    with_psnr = any(trial.psnr is not None for trial in result.trials)
    heads = ["trial", *keys, "validation loss", *(["PSNR, dB"] if with_psnr else []), "epochs", "time", ""]
    rows = []
    for trial in sorted(result.trials, key=lambda trial: _rank(trial, result.by_psnr)):
        values = [text_of(trial.values[key]) for key in keys]
        measures = [_figure(trial.loss, ".5g"), *([_figure(trial.psnr, ".2f")] if with_psnr else [])]
        note = {"pruned": "pruned", "failed": f"failed: {trial.note}"[:NOTE_LENGTH]}.get(trial.state, "")
        note = "best" if trial is result.best else note
        rows.append([str(trial.number), *values, *measures, str(trial.epochs), format_duration(trial.seconds), note])
    output.print_table(heads, rows)
    if result.stopped == "time":
        output.print(f"{len(result.trials)} of {trials} trials in the time allowed; --resume continues\n")
    elif len(result.trials) < trials and result.stopped == "finished":
        output.print(f"{pluralize(len(result.trials), 'trial')}: there are no other values to try\n")
    folder = result.recipe.parent
    output.print_entries(
        {
            str(result.recipe): "the recipe with the best values, for pellucid train",
            str(result.plot): "the effect of each key",
            str(folder / "trials"): "each trial's recipe and losses, and the network of the best",
            str(folder / "study.sqlite3"): "the study, for --resume",
        }
    )


def _rank(trial: "TrialResult", by_psnr: bool) -> tuple[int, float, int]:
    """Return a sort key: the trials that were done by their measure, then the pruned ones, then those that failed."""
    measure = -(trial.psnr or 0) if by_psnr else trial.loss or 0
    return ("done", "pruned", "failed").index(trial.state), measure, trial.number


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _result_json(result: "StudyResult") -> dict[str, Any]:
    return {
        "measure": "psnr" if result.by_psnr else "validation_loss",
        "stopped": result.stopped,
        "best": asdict(result.best),
        "recipe": str(result.recipe),
        "trials": [asdict(trial) for trial in result.trials],
    }
