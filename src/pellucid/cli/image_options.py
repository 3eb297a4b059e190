"""The options of commands that take image files, and the loop over the files."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pellucid.cli.console import Bar, CommandOutput, pluralize
from pellucid.errors import PellucidError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from pellucid.image import ImageFile
    from pellucid.image.folders import Existing, Failure, Task
    from pellucid.input_spec import InputSpec

    Progress = Callable[[int, int], None]
    Work = Callable[[ImageFile, Task, Progress], np.ndarray]

MAX_LISTED = 20
MAX_PIXELS = 300_000_000
OUTPUT_SUFFIX = "-denoised"
LIMIT_OPTION = "--max-pixels"
Inputs = Annotated[
    list[Path], typer.Argument(metavar="IN", help="Image files, folders of them, patterns such as 'scans/*.png', or -.")
]
Files = Annotated[
    list[Path], typer.Argument(metavar="IN", help="Image files, folders of them, or patterns such as 'scans/*.png'.")
]
Out = Annotated[
    Path, typer.Option("--out", "-o", metavar="OUT", help="A file for one image, else a folder; names are kept.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist; never an original.")]
Skip = Annotated[bool, typer.Option("--skip-existing", help="Keep outputs that exist, and write the others.")]
Recursive = Annotated[bool, typer.Option("--recursive/--no-recursive", help="Search folders in folders too.")]
MaxPixels = Annotated[
    int,
    typer.Option(LIMIT_OPTION, metavar="N", min=1, help="The maximum number of pixels of a file, all pages together."),
]


def existing_policy(overwrite: bool, skip: bool) -> "Existing":
    """Return what happens to outputs that exist; raises UsageError if both options are given."""
    if overwrite and skip:
        raise UsageError("--overwrite and --skip-existing exclude each other: give one")
    return "overwrite" if overwrite else "skip" if skip else "refuse"


def plan_beside(inputs: list[Path], existing: "Existing", recursive: bool) -> "tuple[Task, ...]":
    """Plan one task an image, with the output beside it: `photo-denoised.jpg`; `scans-denoised/` for a folder.

    Args:
        inputs: files, folders, or `-` for standard input.
        existing: what to do where an output exists: overwrite, skip or refuse.
        recursive: whether to search subfolders too.

    Raises:
        PellucidError: if there is no image to read, or an output exists and is refused.
        UsageError: if two images would have the same output.
    """
    from pellucid.image.folders import DASH, RAW_SUFFIXES, find_images, plan_tasks

    tasks: dict[Path, Task] = {}
    for entry in inputs:
        if entry == DASH:
            parts = [plan_tasks([entry], DASH)]
        elif entry.is_dir():
            folder = entry if entry.name not in ("", "..") else entry.resolve()
            parts = [plan_tasks([entry], folder.with_name(folder.name + OUTPUT_SUFFIX), existing, recursive)]
        else:
            files = [path for path, _ in find_images([entry], recursive)]
            suffixes = [".tif" if path.suffix.lower() in RAW_SUFFIXES else path.suffix for path in files]
            parts = [
                plan_tasks([path], path.with_name(f"{path.stem}{OUTPUT_SUFFIX}{suffix}"), existing)
                for path, suffix in zip(files, suffixes, strict=True)
            ]
        tasks |= {task.source.resolve(): task for part in parts for task in part}
    for task in tasks.values():
        if task.target != DASH and task.target.resolve() in tasks:
            raise UsageError(f"{task.target} is an original, which is never overwritten: name an output with -o")
    return tuple(tasks.values())


def convert(
    output: CommandOutput,
    tasks: "Sequence[Task]",
    work: "Work",
    title: str,
    done: str,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    spec: "InputSpec | None" = None,
) -> "list[Failure]":
    """Run the tasks under a progress bar, print what was written, and return the failures.

    Args:
        output: where to print.
        tasks: from `pellucid.image.folders`.
        work: takes the image, its task and a progress callback; returns pixels.
        title: of the progress bar.
        done: what was done to the images, such as "denoised".
        out: the output folder for several images.
        overwrite: whether existing outputs are replaced.
        max_pixels: the maximum number of pixels of a file.
        spec: the input of the network; where it fixes the data range, no warning about the range is printed.
    """
    from pellucid.image import range_warning
    from pellucid.image.folders import convert as convert_files

    messages: list[str] = []

    def run_task(image: "ImageFile", name: str) -> "np.ndarray":
        has_data_range = spec is not None and spec.data_range_for(image.pixels)
        if not has_data_range and (message := range_warning(image.pixels.dtype, image.data_range)):
            messages.append(f"{name}: {message}")
        with collect_warnings(messages):
            return work(image, tasks[progress.position], progress.move_within)

    titles = (title,) if len(tasks) == 1 else (title, "")
    with output.bars(*titles) as bars:
        progress = _BatchProgress(tasks, bars)
        try:
            limits = {"max_pixels": max_pixels, "limit_name": LIMIT_OPTION}
            failures = convert_files(tasks, run_task, overwrite=overwrite, progress=progress.start, **limits)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(
                f"{pluralize(progress.position, 'image')} of {len(tasks)} done in {_describe_outputs(tasks, out)}; "
                "to continue, add --skip-existing"
            ) from interrupt
    show_failures(output, messages, failures)
    if num_done := len(tasks) - len(failures):
        output.print(f"{pluralize(num_done, 'image')} {done}: {_describe_outputs(tasks, out)}")
    elif not tasks:
        output.print("nothing to do: all outputs exist")
    return failures


def show_failures(output: CommandOutput, messages: "Sequence[str]", failures: "Sequence[Failure]") -> None:
    """Print each message once, and the failures; at most twenty of each."""
    for message in list(dict.fromkeys(messages))[:MAX_LISTED]:
        output.print_note(message)
    for failure in failures[:MAX_LISTED]:
        output.print_warning(f"skipped: {failure.reason}")
    if len(failures) > MAX_LISTED:
        output.print_warning(f"and {len(failures) - MAX_LISTED} more")


def refuse_failures(failures: "Sequence[Failure]", number: int) -> None:
    """Raise PellucidError if any of so many images failed."""
    if failures:
        raise PellucidError(f"{len(failures)} of {pluralize(number, 'image')} failed")


@contextmanager
def collect_warnings(messages: list[str]) -> Iterator[None]:
    """Append the warnings of the block to the messages."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages += [str(warning.message) for warning in caught]


class _BatchProgress:
    """Moves a bar over all images, weighted by file size, and one over the current image."""

    def __init__(self, tasks: "Sequence[Task]", bars: tuple[Bar, ...]) -> None:
        """Take the bar over all images, and a second one if there are several."""
        self.position, self._name = 0, ""
        self._bars = bars
        self._sizes = [task.source.stat().st_size or 1 if task.source.is_file() else 1 for task in tasks]

    def start(self, position: int, total: int, name: str) -> None:
        """Start the next image: its position, the number of images, its name."""
        self.position, self._name = position, name
        self._move(0)
        for bar in self._bars[1:]:
            bar(0, 1, name)

    def move_within(self, done: int, total: int) -> None:
        """Show how many parts of the current image are done, and of how many."""
        self._move(done / total)
        for bar in self._bars[1:]:
            bar(done, total, self._name)

    def _move(self, fraction: float) -> None:
        past, number = sum(self._sizes[: self.position]), len(self._sizes)
        now = self._sizes[self.position] * fraction if self.position < number else 0
        text = self._name if number == 1 else f"{self.position}/{number} {self._name if len(self._bars) == 1 else ''}"
        self._bars[0](past + now, sum(self._sizes) or 1, text)


def _describe_outputs(tasks: "Sequence[Task]", out: Path | None) -> str:
    """Return where the outputs are."""
    from pellucid.image.folders import DASH

    if len(tasks) == 1:
        return "standard output" if tasks[0].target == DASH else str(tasks[0].target)
    return str(out) if out else f"{tasks[0].target} and {len(tasks) - 1} more"
