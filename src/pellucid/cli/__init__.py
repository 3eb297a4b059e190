"""The command line: each command calls the Python functions, and imports heavy libraries only when it runs."""

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pellucid import __version__
from pellucid.cli import (
    add_noise,
    classify,
    compare,
    convert,
    demo,
    denoise,
    encode,
    estimate_noise,
    evaluate,
    export,
    fetch,
    outliers,
    reproduce,
    serve,
    train,
    tune,
)
from pellucid.cli import list as list_command
from pellucid.cli.console import print_error
from pellucid.errors import PellucidError

INTERRUPTED = 130
HELP = """Remove noise from images with denoising autoencoders.

\b
Start here:
  pellucid denoise photo.jpg            denoise it into photo-denoised.jpg
  pellucid denoise photos/ -o clean/    denoise a whole folder; names and formats stay
  pellucid demo                         denoise two sample pictures

\b
Train your own (pip install "pellucid[train]"):
  pellucid train --noisy scans/noisy --clean scans/clean
                                        train on your own images
  pellucid list recipes                 list the shipped recipes
  pellucid train conv-pool              train by a recipe, into runs/conv-pool
  pellucid evaluate runs/conv-pool/best.safetensors
                                        compare it with classical filters
  pellucid denoise scans/ -o clean/ --model runs/conv-pool/best.safetensors

pellucid COMMAND --help shows the options of a command, with examples. Exit status: 0 done, 1 failed, 2 wrong usage.
"""


class ErrorHandlingGroup(TyperGroup):
    """The group of commands; it turns every error into one line and an exit status."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the command and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
        try:
            status = super().main(*args, standalone_mode=False, **extra)
        except PellucidError as error:
            print_error(str(error))
            status = error.exit_status
        except Exception as error:
            status = _print_unexpected(error)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; the message of a KeyboardInterrupt describes the files that it leaves."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            print_error(f"interrupted; {interrupt or 'nothing half-written is left behind'}")
            raise typer.Exit(INTERRUPTED) from interrupt


def _print_unexpected(error: Exception) -> int:
    """Print an error that is no PellucidError and return the exit status; Typer's errors are wrong usage."""
    if isinstance(error, typer.Abort):
        print_error("aborted")
        return 1
    format_message = getattr(error, "format_message", None)
    if format_message is not None:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "pellucid"
        print_error(f"{format_message().rstrip('.')}: see {command} --help")
        return int(getattr(error, "exit_code", 2))
    if os.environ.get("PELLUCID_DEBUG"):
        import traceback

        traceback.print_exception(error)
        return 1
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("pellucid"):
        print_error(f'this needs {error.name}, which is not installed: pip install "pellucid[train]"')
        return 1
    if isinstance(error, OSError):
        print_error(f"{error.filename or 'cannot write the output'}: {error.strerror or error}")
        return 1
    print_error(
        f"an error that should not happen: {type(error).__name__}: {error}; "
        "please report it with what PELLUCID_DEBUG=1 prints"
    )
    return 1


app = typer.Typer(
    cls=ErrorHandlingGroup,
    help=HELP,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(is_given: bool) -> None:
    if is_given:
        print(f"pellucid {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Declare the options that come before a command; without a command, print the help."""
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)


# In the order of the help.
for command in (
    *(denoise, estimate_noise, compare, demo, train, tune, evaluate, reproduce, export, convert),
    *(classify, encode, outliers, add_noise, serve, list_command, fetch),
):
    command.register(app)


def main() -> None:
    """Run the command line."""
    app()
