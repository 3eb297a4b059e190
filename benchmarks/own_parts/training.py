"""Folders of a part of the data, and trainings by the command line on them."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from photo_parts.tables import LeftOut

DONE = "done"


@dataclass(frozen=True)
class Options:
    """The choices of one run.

    Attributes:
        work: where folders and trainings lie; a training that is done is not repeated.
        scale: what the minutes of each training are multiplied by.
        limit: the greatest number of images measured of a set; None for all.
        reuse: whether only trainings that are done are measured.
    """

    work: Path
    scale: float = 1.0
    limit: int | None = None
    reuse: bool = False


def linked(files: Iterable[Path], folder: Path) -> Path:
    """Return a folder with links to the files, and to no others."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {file.name: file.resolve() for file in files}
    for present in folder.iterdir():
        if wanted.get(present.name) != present.resolve():
            present.unlink()
    for name, file in wanted.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(file)
    return folder


def trained(options: Options, name: str, minutes: float, arguments: Sequence[str]) -> Path:
    """Return the network that `pellucid train` with some arguments leaves after so many minutes.

    Raises:
        LeftOut: if it failed, or is not there and only what is there is measured.
    """
    out = options.work / name
    best = out / "best.safetensors"
    if (out / DONE).exists():
        return best
    if options.reuse:
        raise LeftOut(f"{name}: not trained yet")
    command = [sys.executable, "-m", "pellucid", "train", *arguments, "--out", str(out)]
    command += ["--minutes", f"{minutes * options.scale:g}"]
    command += ["--resume"] if (out / "last.safetensors").exists() else []
    print(f"$ {' '.join(['pellucid', *command[3:]])}", flush=True)
    if subprocess.run(command, check=False).returncode:
        raise LeftOut(f"{name}: the training failed")
    (out / DONE).touch()
    return best
