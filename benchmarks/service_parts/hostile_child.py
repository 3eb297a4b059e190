"""A child process of `hostile`: denoise one file after the other by the command line, and log each outcome.

Usage: hostile_child.py FOLDER OUT LOG FIRST MODEL MAX_PIXELS

The log gets a line before each file and one after it, so that the parent knows at which one this process died.
"""

import contextlib
import functools
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pellucid.cli import app
from pellucid.errors import PellucidError
from pellucid.image import read_image
from pellucid.inference.denoiser import Denoiser

MAX_MEMORY = 8 << 30  # of address space, so that no file exhausts the memory of the machine
CLEANED, REFUSED, TRACEBACK, UNEXPECTED = "cleaned", "refused", "traceback", "unexpected"
# The warnings, results and progress of `pellucid denoise`.
EXPECTED_OUTPUT = (
    "denoise ",
    " holds values that are not finite",
    ": 12 bits in 16: ",
    ": values far above 1: ",
    " of 255",
    " denoised: ",
)


def main() -> None:
    """Denoise the files of a folder from a number on."""
    folder, out, log, first, model, max_pixels = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    load = functools.cache(Denoiser.load)  # only the first file waits for the network
    setattr(Denoiser, "load", load)  # noqa: B010
    with Path(log).open("a", encoding="utf-8") as lines:
        for path in sorted(Path(folder).iterdir())[int(first) :]:
            _note(lines, {"file": path.name})
            _forget_peak()
            started = time.perf_counter()
            found = denoised(path, Path(out) / path.name, model, max_pixels)
            seconds = time.perf_counter() - started
            _note(lines, {"file": path.name, "seconds": seconds, "memory": peak_memory(), **found})


def denoised(path: Path, target: Path, model: str, max_pixels: str) -> dict[str, Any]:
    """Run `pellucid denoise` on a file; return the outcome, its output, and the SHA-256 of the result."""
    options = ["--model", model, "--max-pixels", max_pixels, "--threads", "1"]
    arguments = ["denoise", str(path), "-o", str(target), *options]
    status: Any = 0
    with _captured_output() as captured:
        try:
            app(arguments)
        except SystemExit as ended:
            status = ended.code
        except BaseException as error:
            return {"ended": TRACEBACK, "output": f"{type(error).__name__}: {error}", "sha256": None}
    output = captured()
    ended = check_result(status, output, target, int(max_pixels))
    sha256 = digest(target, int(max_pixels)) if ended == CLEANED else None
    target.unlink(missing_ok=True)
    return {"ended": ended, "output": output[:2000], "sha256": sha256}


def check_result(status: Any, output: str, target: Path, max_pixels: int) -> str:
    """Return the outcome: cleaned, refused in one line, a traceback, or unexpected output or files."""
    lines = output.splitlines()
    errors = [line for line in lines if line.startswith("pellucid: ")]
    if "Traceback" in output or "an error that should not happen" in output:
        return TRACEBACK
    if any(line not in errors and not any(text in line for text in EXPECTED_OUTPUT) for line in lines):
        return UNEXPECTED
    if status:
        return REFUSED if status == 1 and len(errors) == 1 and not target.exists() else UNEXPECTED
    try:
        read_image(target, max_pixels)
    except PellucidError:
        return UNEXPECTED
    return CLEANED if not errors else UNEXPECTED


def digest(path: Path, max_pixels: int) -> str:
    """Return the SHA-256 of an image's samples; the files may also differ by their time."""
    image = read_image(path, max_pixels)
    alpha = b"" if image.alpha is None else image.alpha.tobytes()
    return hashlib.sha256(image.pixels.tobytes() + alpha).hexdigest()


@contextlib.contextmanager
def _captured_output() -> Iterator[Any]:
    """Capture standard output and error, of C libraries too; yields a function that returns the text afterwards."""
    kept = [os.dup(number) for number in (1, 2)]
    with tempfile.TemporaryFile() as stream:
        sys.stdout.flush()
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
        texts: list[str] = []
        try:
            yield lambda: texts[0]
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, other in zip((1, 2), kept, strict=True):
                os.dup2(other, number)
                os.close(other)
            stream.seek(0)
            texts.append(stream.read(1 << 20).decode("utf-8", "replace"))


def _note(lines: TextIO, record: dict[str, Any]) -> None:
    lines.write(json.dumps(record) + "\n")
    lines.flush()


def _forget_peak() -> None:
    """Reset the peak memory of the process, where the system supports it (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory() -> float:
    """Return this process's peak resident memory in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(words[1]) for words in lines if words[0] == "VmHWM:") / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
