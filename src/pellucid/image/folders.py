"""Convert many image files: names and formats are kept, originals untouched, failures collected file by file."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid.errors import PellucidError, UsageError
from pellucid.image import avif
from pellucid.image.arrays import data_range_of, to_nchw
from pellucid.image.files import list_images, read_image, write_image
from pellucid.image.formats import RAW_SUFFIXES, SUFFIXES, ImageFile
from pellucid.image.guards.limits import ReadLimits
from pellucid.input_spec import InputSpec
from pellucid.utils.paths import make_folder

DASH = Path("-")  # standard input, or standard output
WRITABLE = {suffix for suffixes in SUFFIXES.values() for suffix in suffixes}
OTHER_OUTPUT = "name another output"
Existing = Literal["refuse", "overwrite", "skip"]


@dataclass(frozen=True)
class Task:
    """One image file to convert.

    Attributes:
        source: the file to read, or `DASH`.
        target: the file to write, or `DASH`.
        name: the path of the source below the folder that was searched.
    """

    source: Path
    target: Path
    name: str


@dataclass(frozen=True)
class Failure:
    """A file that could not be converted, and the reason."""

    source: Path
    reason: str


def find_images(inputs: Sequence[Path], recursive: bool = True) -> tuple[tuple[Path, Path], ...]:
    """Return (file, name) of all images in files, folders and patterns; `name` is the path below the folder.

    Args:
        inputs: files, folders, patterns such as `scans/**/*.png`, or `DASH` for standard input.
        recursive: whether subfolders are searched.

    Raises:
        PellucidError: if a file is missing, a pattern fits nothing, or a folder holds no image.
    """
    found = []
    for entry in inputs:
        if entry == DASH:
            found.append((DASH, DASH))
            continue
        for match in (entry,) if entry.exists() else _matches(entry):
            if match.is_dir():
                found += [(path, path.relative_to(match)) for path in list_images(match, recursive)]
            else:
                found.append((match, Path(match.name)))
    return tuple(found)


def plan_tasks(
    inputs: Sequence[Path], out: Path, existing: Existing = "refuse", recursive: bool = True
) -> tuple[Task, ...]:
    """Return a task for each image.

    Names are kept, but camera raw files become TIFF, and AVIF of more than 8 bits PNG.

    Args:
        inputs: files, folders, patterns, or `DASH` for standard input.
        out: a folder; for a single file also a file with an image's suffix, or `DASH` for standard output.
        existing: what to do if a target exists: "refuse" raises UsageError, "overwrite" replaces it, "skip" leaves it
            as it is and out of the tasks.
        recursive: whether subfolders are searched.

    Raises:
        PellucidError: if there are no images.
        UsageError: if a target exists, is an original, or two images have the same target.
    """
    found = find_images(inputs, recursive)
    if DASH in (out, *inputs):
        return _plan_pipe(found, out, existing)
    to_file = len(inputs) == 1 and inputs[0].is_file() and out.suffix.lower() in WRITABLE and not out.is_dir()
    if not to_file and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but there are {len(found)} images to write: name a folder")
    tasks = [Task(path, out if to_file else out / _written_name(path, name), str(name)) for path, name in found]
    originals = {path.resolve() for path, _ in found}
    seen_targets: dict[Path, Path] = {}
    for task in tasks:
        target = task.target.resolve()
        if target in originals:
            raise UsageError(f"{task.target} is an original, which is never overwritten: name another folder")
        if target in seen_targets:
            raise UsageError(
                f"{seen_targets[target]} and {task.source} would both become {task.target}: run them apart"
            )
        seen_targets[target] = task.source
    return _apply_existing(existing, tasks)


def _apply_existing(existing: Existing, tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks that are left once targets that exist are skipped, if they are to be, or refuse them."""
    present = list(dict.fromkeys(task.target for task in tasks if task.target != DASH and task.target.exists()))
    if present and existing == "refuse":
        more = f" and {len(present) - 1} more" if len(present) > 1 else ""
        raise UsageError(
            f"{present[0]}{more} exists already: name another output, or give --overwrite or --skip-existing"
        )
    skipped = set(present) if existing == "skip" else ()
    return tuple(task for task in tasks if task.target not in skipped)


def _plan_pipe(found: Sequence[tuple[Path, Path]], out: Path, existing: Existing) -> tuple[Task, ...]:
    """Lay out one image that is read from standard input or written to standard output."""
    if len(found) != 1:
        raise UsageError(f"a pipe holds one image, not {len(found)}: give one, or name a folder")
    source, name = found[0]
    if out != DASH and (out.is_dir() or out.suffix.lower() not in WRITABLE):
        raise UsageError(
            f"what comes from a pipe has no name to keep in {out}: name a file with an image's suffix, or -"
        )
    if source == DASH and sys.stdin.isatty():
        raise UsageError("no image comes from the terminal: send a file into the command with <, or name one")
    if out == DASH and sys.stdout.isatty():
        raise UsageError("an image is not for the terminal: send it to a file with >, or name one with -o")
    return _apply_existing(existing, [Task(source, out, "standard input" if source == DASH else str(name))])


def _matches(pattern: Path) -> list[Path]:
    """Return the images that match a pattern which the shell did not expand, sorted."""
    if not set("*?[") & set(str(pattern)):
        raise PellucidError(f"{pattern} does not exist: check its name")
    root = Path(pattern.anchor or ".")
    found = sorted(root.glob(str(pattern.relative_to(pattern.anchor))))
    known = WRITABLE.union(RAW_SUFFIXES)
    found = [path for path in found if not path.is_dir() and path.suffix.lower() in known]
    if not found:
        raise PellucidError(f"{pattern} fits no image: check the pattern")
    return found


def _written_name(source: Path, name: Path) -> Path:
    """Return the name of the converted file: that of the source, if its format can be written."""
    suffix = name.suffix.lower()
    if suffix in RAW_SUFFIXES:
        return name.with_suffix(".tif")
    if suffix in SUFFIXES["AVIF"]:
        with suppress(OSError), source.open("rb") as stream:
            if avif.read_bit_depth(stream.read(avif.SEARCHED_BYTES)) > 8:
                return name.with_suffix(".png")
    return name


def convert(
    tasks: Sequence[Task],
    work: Callable[[ImageFile, str], np.ndarray],
    *,
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
    max_pixels: int = ReadLimits.max_pixels,
    limit_name: str = "max_pixels",
) -> list[Failure]:
    """Read each image, write the pixels that `work(image, name)` returns, and return the files that failed.

    Alpha, profile, EXIF block and resolution are kept. With a single task, its error is raised.

    Args:
        tasks: from `plan_tasks`.
        work: called with the image and its name, returns pixels.
        overwrite: whether existing targets are replaced.
        progress: called with the files done, the number of files, and the name of the current one.
        max_pixels: the maximum number of pixels of a file.
        limit_name: what an error calls that limit.

    Raises:
        PellucidError: if the first folder cannot be made, or the only file fails.
    """
    if tasks:
        make_folder(tasks[0].target.parent, OTHER_OUTPUT)
    failures = []
    for position, task in enumerate(tasks):
        if progress:
            progress(position, len(tasks), task.name)
        try:
            _convert_one(task, work, overwrite, ReadLimits(max_pixels, limit_name=limit_name))
        except PellucidError as error:
            if len(tasks) == 1:
                raise
            failures.append(Failure(task.source, str(error)))
    if progress:
        progress(len(tasks), len(tasks), "")
    return failures


def _convert_one(task: Task, work: Callable[[ImageFile, str], np.ndarray], overwrite: bool, limits: ReadLimits) -> None:
    source = sys.stdin.buffer if task.source == DASH else task.source
    image = read_image(source, limits.max_pixels, limit_name=limits.limit_name)
    try:
        pixels = work(image, task.name)
        if task.target == DASH:
            write_image(sys.stdout.buffer, pixels, like=image)
        else:
            make_folder(task.target.parent, OTHER_OUTPUT)
            write_image(task.target, pixels, like=image, overwrite=overwrite)
    except MemoryError:
        raise PellucidError(
            f"{task.source} takes more memory than there is: crop it, or close other programs"
        ) from None


def read_planes(path: Path, spec: InputSpec) -> np.ndarray:
    """Return an image for a model, (1, C, H, W) float32 with white at 1, without alpha.

    Args:
        path: the image file.
        spec: the sizes and channels that the model accepts.

    Raises:
        PellucidError: if the file cannot be read.
        UsageError: naming the file, if its size or channels do not fit the model.
    """
    pixels = read_image(path, max_frames=1).pixels
    planes = to_nchw(pixels, data_range_of(pixels))
    spec.check(planes.shape[1:], str(path))
    return planes


def read_stack(
    paths: Sequence[Path], spec: InputSpec, progress: Callable[[int, int, str], None] | None = None
) -> np.ndarray:
    """Return images of one size as (N, C, H, W) float32 with white at 1.

    Args:
        paths: the image files.
        spec: the sizes and channels that the model accepts.
        progress: called with the files done, the number of files, and the name of the current one.

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
