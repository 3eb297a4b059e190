"""Folders with a part of the data, and training through the command line on them."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from photo_parts.tables import PartSkipped

DONE = "done"


@dataclass(frozen=True)
class Options:
    """The options of one run.

    Attributes:
        work: the folder for data and trainings; a finished training is not repeated.
        scale: a factor on the minutes of each training.
        limit: the greatest number of images measured of a set; None for all.
        reuse: whether only finished trainings are measured.
    """

    work: Path
    scale: float = 1.0
    limit: int | None = None
    reuse: bool = False


def link_files(files: Iterable[Path], folder: Path) -> Path:
    """Fill a folder with links to the files and to no others; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = {file.name: file.resolve() for file in files}
    for present in folder.iterdir():
        if targets.get(present.name) != present.resolve():
            present.unlink()
    for name, file in targets.items():
        if not (folder / name).exists():
            (folder / name).symlink_to(file)
    return folder


def train(options: Options, name: str, minutes: float, arguments: Sequence[str]) -> Path:
    """Run `pellucid train` with some arguments for the given minutes; return the network.

    Raises:
        PartSkipped: if it failed, or if it is not trained yet and `reuse` is on.
    """
    out = options.work / name
    best = out / "best.safetensors"
    if (out / DONE).exists():
        return best
    if options.reuse:
        raise PartSkipped(f"{name}: not trained yet")
    command = [sys.executable, "-m", "pellucid", "train", *arguments, "--out", str(out)]
    command += ["--minutes", f"{minutes * options.scale:g}"]
    command += ["--resume"] if (out / "last.safetensors").exists() else []
    print(f"$ {' '.join(['pellucid', *command[3:]])}", flush=True)
    if subprocess.run(command, check=False).returncode:
        raise PartSkipped(f"{name}: the training failed")
    (out / DONE).touch()
    return best
