"""Whole processes: `pellucid denoise` on one photograph, and on an image of 100 megapixels."""

import json
import math
import statistics
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from pellucid.errors import PellucidError
from pellucid.weights.catalog import find
from photo_parts import protocol
from photo_parts.options import Options, source_for
from photo_parts.tables import PartSkipped, Table
from startup import Run, start

SIDE = 512
SIGMA = 15
LARGE_ARRAY = Path(__file__).with_name("large_array.py")
AGAINST = 'python -c "import torch"'


def process(options: Options) -> list[Table]:
    """Time the whole process on a color photograph of 512x512, and the start of Python with torch."""
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "noisy.png"
        Image.fromarray(noisy_photo()).save(photo)
        commands = {"python -c pass": ["-c", "pass"], AGAINST: ["-c", "import torch"]}
        models, reasons = _models(options)
        for name, source in models.items():
            commands[f"pellucid denoise, {name}"] = _denoise(photo, Path(folder) / f"{name}-out.png", source)
        runs: dict[str, list[Run]] = {name: [] for name in commands}
        rounds = track(range(options.rounds + 1), "process", console=Console(stderr=True), transient=True)
        for number in rounds:  # the first is not counted
            for name, arguments in commands.items():
                run = _started(arguments)
                runs[name] += [run] if number else []
    beside = [run.seconds for run in runs[AGAINST]]
    rows = []
    for name, of_one in runs.items():
        seconds = [run.seconds for run in of_one]
        ratio = statistics.median(a / b for a, b in zip(seconds, beside, strict=True))
        memory = statistics.median(run.memory for run in of_one)
        rows.append((name, statistics.median(seconds), min(seconds), max(seconds), ratio, memory))
    formats = {
        "command": "",
        "s": ".3f",
        "min": ".3f",
        "max": ".3f",
        "relative to import torch": ".2f",
        "peak MiB": ".0f",
    }
    notes = [
        f"median of {options.rounds} interleaved starts; the noise level is estimated, other options are defaults; "
        "relative: the median over rounds",
        *reasons,
    ]
    return [Table(f"Whole process, a {SIDE}x{SIDE} color PNG", formats, rows, notes)]


def large(options: Options) -> list[Table]:
    """Denoise one large color image, as an array and as a file."""
    side = math.isqrt(round(options.megapixels * 1e6))
    decoded = 3 * side * side / 2**20
    rows: list[tuple] = []
    models, reasons = _models(options)
    with tempfile.TemporaryDirectory() as folder:
        array, photo, result = (Path(folder) / name for name in ("large.npy", "large.jpg", "result.json"))
        repeats = -(-side // SIDE)
        pixels = np.tile(noisy_photo(), (repeats, repeats, 1))[:side, :side]
        np.save(array, pixels)
        Image.fromarray(pixels).save(photo, quality=95)
        del pixels
        for name, source in models.items():
            run = _started([str(LARGE_ARRAY), str(array), str(result), source])
            measured = json.loads(result.read_text(encoding="utf-8"))
            rows.append(
                (
                    f"{name}, array",
                    measured["seconds"],
                    run.memory,
                    run.memory - decoded,
                    measured["tiles"],
                    measured["longest_wait"],
                )
            )
            run = _started(_denoise(photo, Path(folder) / f"{name}-out.jpg", source))
            rows.append(
                (f"{name}, JPEG file, whole process", run.seconds, run.memory, run.memory - decoded, None, None)
            )
    formats = {
        "way": "",
        "s": ".1f",
        "peak MiB": ".0f",
        "over the image": "+.0f",
        "tiles": "d",
        "longest wait s": ".2f",
    }
    notes = [
        f"the decoded image takes {decoded:.0f} MiB; over the image: peak memory of the process less that, in MiB",
        "longest wait: between two tiles of the progress, the estimate of the noise level included",
        *reasons,
    ]
    return [Table(f"A color image of {side}x{side}, once", formats, rows, notes)]


def noisy_photo() -> np.ndarray:
    """Return a noisy color photograph, uint8 (512, 512, 3): one of the camera's, or scikit-image's with noise."""
    try:
        path = protocol.files(protocol.folder("camera", "noisy"))[0]
        photo = protocol.read(path, 3)
        if photo.shape == (SIDE, SIDE, 3):
            return photo
    except PartSkipped:
        pass
    try:
        from skimage import data
    except ModuleNotFoundError as error:
        raise PartSkipped("neither camera/noisy nor scikit-image's images are installed") from error
    return protocol.quantize(protocol.noisy(data.astronaut(), SIGMA, 0))


def _models(options: Options) -> tuple[dict[str, str], list[str]]:
    """Return the value of `--model` for each network that exists, and the reasons why others are skipped."""
    found, reasons = {}, []
    for name, sources in options.models.items():
        source = source_for(sources, "onnxruntime") or sources[0]
        try:
            find(source)
        except PellucidError as error:
            reasons.append(f"skipped: {error}")
        else:
            found[name] = source
    if not found:
        raise PartSkipped("; ".join(reasons))
    return found, reasons


def _denoise(photo: Path, out: Path, source: str) -> list[str]:
    return ["-m", "pellucid", "denoise", str(photo), "-o", str(out), "--model", source, "--overwrite"]


def _started(arguments: list[str]) -> Run:
    """Run Python with these arguments; raises PartSkipped with its error output if it fails."""
    try:
        return start(arguments)
    except SystemExit as error:
        raise PartSkipped(str(error)) from error
