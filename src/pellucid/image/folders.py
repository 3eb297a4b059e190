"""Many image files in, as many out: names and formats kept, originals untouched, failures told one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid.errors import PellucidError, UsageError
from pellucid.image.arrays import data_range_of, to_nchw
from pellucid.image.files import list_images, read_image, write_image
from pellucid.image.formats import SUFFIXES, ImageFile
from pellucid.spec import InputSpec

WRITABLE = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
Existing = Literal["refuse", "overwrite", "skip"]


@dataclass(frozen=True)
class Task:
    """One image file to read and the file to write from it; `name` is its path under the folder that was given."""

    source: Path
    target: Path
    name: str


@dataclass(frozen=True)
class Failure:
    """A file that was skipped, and why."""

    source: Path
    reason: str


def find_images(inputs: Sequence[Path]) -> tuple[tuple[Path, Path], ...]:
    """Return (file, name) of all images: files as given, named by their last part, and all those under folders.

    Raises:
        PellucidError: if a file is missing or a folder holds no image.
    """
    found = []
    for entry in inputs:
        if entry.is_dir():
            found += [(path, path.relative_to(entry)) for path in list_images(entry, recursive=True)]
        elif entry.exists():
            found.append((entry, Path(entry.name)))
        else:
            raise PellucidError(f"{entry} does not exist: check its name")
    return tuple(found)


def plan(inputs: Sequence[Path], out: Path, existing: Existing = "refuse") -> tuple[Task, ...]:
    """Lay out where each image goes: `out` is a file for one file with an image's suffix, else a folder.

    Raises:
        PellucidError: if there is nothing to read.
        UsageError: if a target exists (unless `existing` is otherwise), is an original, or is met twice.
    """
    found = find_images(inputs)
    to_file = len(inputs) == 1 and inputs[0].is_file() and out.suffix.lower() in WRITABLE and not out.is_dir()
    if not to_file and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but there are {len(found)} images to write: name a folder")
    tasks = [Task(path, out if to_file else out / name, str(name)) for path, name in found]
    originals = {path.resolve() for path, _ in found}
    met: dict[Path, Path] = {}
    for task in tasks:
        place = task.target.resolve()
        if place in originals:
            raise UsageError(f"{task.target} is an original, which is never overwritten: name another folder")
        if place in met:
            raise UsageError(f"{met[place]} and {task.source} would both become {task.target}: run them apart")
        met[place] = task.source
    present = [task.target for task in tasks if task.target.exists()]
    if present and existing == "refuse":
        more = f" and {len(present) - 1} more" if len(present) > 1 else ""
        raise UsageError(f"{present[0]}{more} exists already: name another output, or ask to overwrite or to skip it")
    return tuple(task for task in tasks if existing != "skip" or not task.target.exists())


def convert(
    tasks: Sequence[Task],
    work: Callable[[ImageFile, str], np.ndarray],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[Failure]:
    """Read each image, write what `work(image, name)` makes of its pixels, and return the files that failed.

    Alpha, profile, EXIF block and resolution go along. A single file's error is raised, not returned.

    Args:
        tasks: from `plan`.
        work: takes the image and its name, returns pixels.
        overwrite: whether existing targets are replaced.
        progress: told the files done, the files in all, and the name at hand.

    Raises:
        PellucidError: if the first folder cannot be made, or the only file fails.
    """
    if tasks:
        _make_folder(tasks[0].target.parent)
    failures = []
    for position, task in enumerate(tasks):
        if progress:
            progress(position, len(tasks), task.name)
        try:
            image = read_image(task.source)
            pixels = work(image, task.name)
            _make_folder(task.target.parent)
            write_image(task.target, pixels, like=image, overwrite=overwrite)
        except PellucidError as error:
            if len(tasks) == 1:
                raise
            failures.append(Failure(task.source, str(error)))
    if progress:
        progress(len(tasks), len(tasks), "")
    return failures


def read_planes(path: Path, spec: InputSpec) -> np.ndarray:
    """Read an image that a model takes as it is, (1, C, H, W) float32 with white at 1; alpha is left out.

    Raises:
        PellucidError: if the file cannot be read.
        UsageError: naming the file, if its size or channels do not fit the model.
    """
    pixels = read_image(path).pixels
    planes = to_nchw(pixels, data_range_of(pixels))
    spec.check(planes.shape[1:], str(path))
    return planes


def read_stack(
    paths: Sequence[Path], spec: InputSpec, progress: Callable[[int, int, str], None] | None = None
) -> np.ndarray:
    """Read images of one size as (N, C, H, W) float32 with white at 1.

    Raises:
        PellucidError: if a file cannot be read.
        UsageError: naming the file, if it does not fit the model or the others.
    """
    parts = []
    for position, path in enumerate(paths):
        if progress:
            progress(position, len(paths), path.name)
        planes = read_planes(path, spec)
        if parts and planes.shape != parts[0].shape:
            sizes = ["x".join(map(str, part.shape[2:])) for part in (planes, parts[0])]
            raise UsageError(f"{path} is {sizes[0]}, {paths[0]} is {sizes[1]}: give images of one size")
        parts.append(planes)
    return np.concatenate(parts)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PellucidError(f"cannot make the folder {folder}: {error.strerror}; name another output") from error
