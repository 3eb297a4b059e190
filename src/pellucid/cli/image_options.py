"""Image files in, image files out: what denoise and add-noise have in common."""

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

    Tell = Callable[[int, int], None]
    Work = Callable[[ImageFile, Task, Tell], np.ndarray]

SHOWN_FAILURES = 20
MOST_PIXELS = 300_000_000
MARK = "-denoised"
LIMIT = "--max-pixels"
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
Skip = Annotated[bool, typer.Option("--skip-existing", help="Leave outputs that exist, and do the rest.")]
Recursive = Annotated[bool, typer.Option("--recursive/--no-recursive", help="Search folders in folders too.")]
MaxPixels = Annotated[
    int, typer.Option(LIMIT, metavar="N", min=1, help="The most pixels of a file, all its pages together.")
]


def existing(overwrite: bool, skip: bool) -> "Existing":
    """Return what happens to outputs that exist; raises UsageError if both are asked for."""
    if overwrite and skip:
        raise UsageError("--overwrite and --skip-existing exclude each other: give one")
    return "overwrite" if overwrite else "skip" if skip else "refuse"


def plan_beside(inputs: list[Path], present: "Existing", recursive: bool) -> "tuple[Task, ...]":
    """Lay out outputs where none was named: `photo-denoised.jpg` beside `photo.jpg`, `scans-denoised/` beside `scans/`.

    Raises:
        PellucidError, UsageError: as `pellucid.image.folders.plan`.
    """
    from pellucid.image.folders import DASH, RAW_SUFFIXES, find_images, plan_tasks

    tasks: dict[Path, Task] = {}
    for entry in inputs:
        if entry == DASH:
            parts = [plan_tasks([entry], DASH)]
        elif entry.is_dir():
            folder = entry if entry.name not in ("", "..") else entry.resolve()
            parts = [plan_tasks([entry], folder.with_name(folder.name + MARK), present, recursive)]
        else:
            files = [path for path, _ in find_images([entry], recursive)]
            suffixes = [".tif" if path.suffix.lower() in RAW_SUFFIXES else path.suffix for path in files]
            parts = [
                plan_tasks([path], path.with_name(f"{path.stem}{MARK}{suffix}"), present)
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
    max_pixels: int = MOST_PIXELS,
    spec: "InputSpec | None" = None,
) -> "list[Failure]":
    """Run the tasks under a progress bar, say what was written, and return what failed.

    Args:
        screen: where to.
        tasks: from `pellucid.image.folders`.
        work: takes the image, its task, and a function to tell the parts done and the parts in all; returns pixels.
        title: what the bar is called.
        done: what was done to the images, in words.
        out: the folder that was named for several images.
        overwrite: whether existing outputs are replaced.
        max_pixels: the most pixels of a file.
        spec: of the network at work: where it knows what is white, nothing has to be said of it.
    """
    from pellucid.image import range_warning
    from pellucid.image.folders import convert as convert_files

    remarks: list[str] = []

    def noting(image: "ImageFile", name: str) -> "np.ndarray":
        known = spec is not None and spec.data_range_for(image.pixels)
        if not known and (remark := range_warning(image.pixels.dtype, image.data_range)):
            remarks.append(f"{name}: {remark}")
        with collected(remarks):
            return work(image, tasks[follow.position], follow.within)

    titles = (title,) if len(tasks) == 1 else (title, "")
    with output.bars(*titles) as bars:
        follow = _Follow(tasks, bars)
        try:
            limits = {"max_pixels": max_pixels, "limit_name": LIMIT}
            failures = convert_files(tasks, noting, overwrite=overwrite, progress=follow.start, **limits)
        except KeyboardInterrupt as interrupt:
            raise KeyboardInterrupt(
                f"{pluralize(follow.position, 'image')} of {len(tasks)} done in {_places(tasks, out)}; "
                "to do the rest, add --skip-existing"
            ) from interrupt
    show_failures(output, remarks, failures)
    if good := len(tasks) - len(failures):
        output.print(f"{pluralize(good, 'image')} {done}: {_places(tasks, out)}")
    elif not tasks:
        output.print("nothing to do: all outputs exist")
    return failures


def show_failures(output: CommandOutput, remarks: "Sequence[str]", failures: "Sequence[Failure]") -> None:
    """Say what is remarkable, each thing once, and what failed, both cut where there is too much of it."""
    for remark in list(dict.fromkeys(remarks))[:SHOWN_FAILURES]:
        output.print_note(remark)
    for failure in failures[:SHOWN_FAILURES]:
        output.print_warning(f"skipped: {failure.reason}")
    if len(failures) > SHOWN_FAILURES:
        output.print_warning(f"and {len(failures) - SHOWN_FAILURES} more")


def refuse_failures(failures: "Sequence[Failure]", number: int) -> None:
    """Raise PellucidError if any of so many images failed."""
    if failures:
        raise PellucidError(f"{len(failures)} of {pluralize(number, 'image')} failed")


@contextmanager
def collected(remarks: list[str]) -> Iterator[None]:
    """Keep the warnings of the block as remarks."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    remarks += [str(warning.message) for warning in caught]


class _Follow:
    """Moves a bar over all images, weighted by the sizes of their files, and one over the image at hand."""

    def __init__(self, tasks: "Sequence[Task]", bars: tuple[Bar, ...]) -> None:
        """Take the bar over all, and the other one if there are several images."""
        self.position, self._name = 0, ""
        self._bars = bars
        self._sizes = [task.source.stat().st_size or 1 if task.source.is_file() else 1 for task in tasks]

    def start(self, position: int, total: int, name: str) -> None:
        """Be told the images done, the images in all, and the name at hand."""
        self.position, self._name = position, name
        self._move(0)
        for bar in self._bars[1:]:
            bar(0, 1, name)

    def within(self, done: int, total: int) -> None:
        """Be told the parts of the image at hand that are done, and those in all."""
        self._move(done / total)
        for bar in self._bars[1:]:
            bar(done, total, self._name)

    def _move(self, share: float) -> None:
        past, number = sum(self._sizes[: self.position]), len(self._sizes)
        now = self._sizes[self.position] * share if self.position < number else 0
        text = self._name if number == 1 else f"{self.position}/{number} {self._name if len(self._bars) == 1 else ''}"
        self._bars[0](past + now, sum(self._sizes) or 1, text)


def _places(tasks: "Sequence[Task]", out: Path | None) -> str:
    """Say where the outputs are."""
    from pellucid.image.folders import DASH

    if len(tasks) == 1:
        return "standard output" if tasks[0].target == DASH else str(tasks[0].target)
    return str(out) if out else f"{tasks[0].target} and {len(tasks) - 1} more"
