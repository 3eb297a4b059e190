"""Training samples per second of three recipes, compared with the same networks in Keras on TensorFlow.

Pellucid's side is `train` itself, with the shipped recipe; the peer's side is `model.fit` (keras_peer.py), on the same
images, batches and loss, with the same cores and threads. Keras gets noise that was made once; Pellucid makes it as
the recipe says. All sides run in interleaved rounds, and the ratio is the median over rounds. The table also shows the
fraction of the machine's peak for matrix products that is reached, and the peak memory.

    python -m venv peer && peer/bin/pip install keras==3.15.* tensorflow==2.21.*    # or --install peer
    .venv/bin/python benchmarks/training_speed.py --keras-python peer/bin/python
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

PEER = ("keras==3.15.*", "tensorflow==2.21.*")
IMAGES = 60_000
EPOCH = 48_000
MIN_BATCHES = 6
OUR_PRECISIONS = ("fp32", "bf16")
KERAS_PRECISIONS = ("float32", "mixed_bfloat16")
Runs = dict[tuple[str, str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Case:
    """A recipe and its cost: (height = width, kernel, channels in, channels out) of each layer as it is written."""

    recipe: str
    batch: int
    layers: tuple[tuple[int, int, int, int], ...]

    @property
    def flops(self) -> int:
        """Return the operations of training on one image: two per product, and twice the forward pass backward."""
        return 6 * sum(side**2 * kernel**2 * inside * outside for side, kernel, inside, outside in self.layers)


CASES = (
    Case("dense-uniform", 512, ((1, 1, 784, 64), (1, 1, 64, 784))),
    Case(
        "conv-upsample",
        128,
        (
            (28, 3, 1, 64),
            (14, 3, 64, 64),
            (7, 3, 64, 32),
            (7, 3, 32, 32),
            (14, 3, 32, 64),
            (28, 3, 64, 64),
            (28, 3, 64, 1),
        ),
    ),
    Case("conv-pool", 128, ((28, 3, 1, 32), (14, 3, 32, 32), (7, 3, 32, 32), (14, 3, 32, 32), (28, 3, 32, 1))),
)


@dataclass(frozen=True)
class Figures:
    """The results of one side for one recipe.

    Attributes:
        rate: samples a second, the median over rounds; slowest and fastest are its ends.
        ratio: the median over rounds of its rate to that of the faster Keras in the same round.
        busy_ratio: the same for samples per second of processor time, which other load on the machine affects less.
        peak_fraction: the operations per second of the network, relative to matrix products in this precision.
        memory: the peak resident memory in MiB.
    """

    recipe: str
    threads: int
    side: str
    precision: str
    rate: float
    slowest: float
    fastest: float
    ratio: float
    busy_ratio: float
    peak_fraction: float
    memory: float


class Worker:
    """A process that trains on demand: it reads a number of batches and answers with one line of JSON."""

    def __init__(self, command: list[str], threads: int) -> None:
        """Start it with its threads; `ready` waits until it has warmed up."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(threads))
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=environment, text=True
        )
        self.batches = MIN_BATCHES

    def answer(self) -> dict[str, Any]:
        """Return its next answer, or exit with its error output if it failed."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.errors.seek(0)
            sys.exit(f"{' '.join(map(str, self.process.args))} failed:\n{self.errors.read()}")  # type: ignore[arg-type]
        return json.loads(line)

    def train(self) -> dict[str, Any]:
        """Have it train its batches."""
        assert self.process.stdin
        print(self.batches, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self) -> None:
        """End it."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def main() -> None:
    """Measure, print the table, and write the figures as JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keras-python", type=Path, help="the interpreter of an environment with Keras and TensorFlow")
    parser.add_argument("--install", type=Path, metavar="DIR", help="make that environment in DIR")
    parser.add_argument("--recipes", nargs="+", default=[case.recipe for case in CASES])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.6, help="how long each round trains, about (default: 0.6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(json.loads(arguments.worker))
        return
    with tempfile.TemporaryDirectory() as folder:
        images = prepare(Path(folder))
        peer = install(arguments.install) if arguments.install else arguments.keras_python
        figures, peaks = [], {}
        for threads in arguments.threads:
            peaks[threads] = matrix_peaks(threads)
            for case in CASES:
                if case.recipe in arguments.recipes:
                    figures += measure(case, threads, peer, images, peaks[threads], arguments)
    Console(width=160).print(table(figures, peaks, arguments.rounds))
    if arguments.json:
        described = {"peak_gflops": peaks, "figures": [asdict(row) for row in figures]}
        arguments.json.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def prepare(folder: Path) -> Path:
    """Write the training images for the peer, and return the file: MNIST's if available, else random ones."""
    from pellucid.data.mnist import MNIST

    if not MNIST().available():
        rng = np.random.default_rng(0)
        (folder / "mnist").mkdir()
        for split, count in (("train", IMAGES), ("t10k", 1000)):
            pixels = rng.integers(0, 256, (count, 28, 28), np.uint8)
            for name, value in (("images-idx3", pixels), ("labels-idx1", pixels[:, 0, 0] % 10)):
                header = struct.pack(f">4B{value.ndim}I", 0, 0, 8, value.ndim, *value.shape)
                (folder / "mnist" / f"{split}-{name}-ubyte").write_bytes(header + value.tobytes())
        os.environ["PELLUCID_DATA"] = str(folder)
    np.save(folder / "images.npy", MNIST().load("train").images[:, 0])
    return folder / "images.npy"


def install(folder: Path) -> Path:
    """Make the peer's environment unless it is there, and return its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
    return python


def measure(
    case: Case, threads: int, peer: Path | None, images: Path, peaks: dict[str, float], options: argparse.Namespace
) -> list[Figures]:
    """Run all sides of a case in interleaved rounds."""
    shared = {"case": case.recipe, "batch": case.batch, "threads": threads, "cores": cores(threads)}
    commands: dict[tuple[str, str], list[Any]] = {}
    for precision in OUR_PRECISIONS:
        specification = json.dumps(shared | {"precision": precision})
        commands["pellucid", precision] = [sys.executable, __file__, "--worker", specification]
    for precision in KERAS_PRECISIONS if peer else ():
        specification = json.dumps(shared | {"precision": precision, "images": str(images), "epoch": EPOCH})
        commands["keras", precision] = [peer, Path(__file__).with_name("keras_peer.py"), specification]
    runs: Runs = {key: [] for key in commands}
    with contextlib.ExitStack() as stack:
        workers = {key: Worker(command, threads) for key, command in commands.items()}
        for worker in workers.values():
            stack.callback(worker.close)
        for worker in workers.values():
            worker.answer()
        for worker in workers.values():  # a warm-up round that also gives the time of a batch
            rate = worker.train()["rate"]
            worker.batches = max(MIN_BATCHES, round(options.seconds * rate / case.batch))
        for _ in range(options.rounds):
            for key, worker in workers.items():
                runs[key].append(worker.train())
    rates = {key: [run["rate"] for run in of_one] for key, of_one in runs.items()}
    to_rate, to_busy_rate = (ratios(runs, name) for name in ("rate", "busy_rate"))
    return [
        Figures(
            recipe=case.recipe,
            threads=threads,
            side=side,
            precision=precision,
            rate=statistics.median(of_one),
            slowest=min(of_one),
            fastest=max(of_one),
            ratio=to_rate[side, precision],
            busy_ratio=to_busy_rate[side, precision],
            peak_fraction=statistics.median(of_one) * case.flops / 1e9 / peaks["bf16" if "bf" in precision else "fp32"],
            memory=max(run["memory"] for run in runs[side, precision]),
        )
        for (side, precision), of_one in rates.items()
    ]


def ratios(runs: Runs, name: str) -> dict[tuple[str, str], float]:
    """Return the median over rounds of each one's rate to that of the Keras with the higher median; nan without one."""
    rates = {key: [run[name] for run in of_one] for key, of_one in runs.items()}
    keras = [key for key in rates if key[0] == "keras"]
    if not keras:
        return dict.fromkeys(rates, math.nan)
    fastest = rates[max(keras, key=lambda key: statistics.median(rates[key]))]
    return {key: statistics.median(a / b for a, b in zip(of, fastest, strict=True)) for key, of in rates.items()}


def cores(threads: int) -> list[int]:
    """Return the cores that every side runs on: the last ones of those that this process may use."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    return allowed[-threads:]


def matrix_peaks(threads: int) -> dict[str, float]:
    """Return the GFLOP/s of square matrix products by precision, the best of several sizes."""
    specification = json.dumps({"case": "peak", "threads": threads, "cores": cores(threads)})
    worker = Worker([sys.executable, __file__, "--worker", specification], threads)
    found = worker.answer()
    worker.close()
    return found


def work(specification: dict[str, Any]) -> None:
    """Run as a worker: measure the matrix peak, or Pellucid's side of a case."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, specification["cores"])
    import torch

    torch.set_num_threads(specification["threads"])
    if specification["case"] == "peak":
        answer(fp32=product_speed(torch.float32), bf16=product_speed(torch.bfloat16))
        return
    ours(specification, MIN_BATCHES)
    answer(ready=True)
    for line in sys.stdin:
        answer(**ours(specification, int(line)))


def product_speed(dtype: Any) -> float:
    """Return the GFLOP/s of the fastest of some products of matrices, and of a convolution, which is one too.

    On some processors torch hands matrices and convolutions to different libraries, of different speed.
    """
    import torch

    shapes: list[tuple[Any, tuple[int, ...], tuple[int, ...], int]]
    shapes = [(torch.mm, (side, side), (side, side), 2 * side**3) for side in (512, 1024, 2048)]
    shapes.append((torch.conv2d, (16, 128, 30, 30), (128, 128, 3, 3), 2 * 16 * 28**2 * 9 * 128**2))
    best = 0.0
    for (multiply, left, right, operations), _ in itertools.product(shapes, range(8)):
        factors = [torch.rand(shape).to(dtype) for shape in (left, right)]
        started = time.perf_counter()
        multiply(*factors)
        best = max(best, operations / (time.perf_counter() - started) / 1e9)
    return best


def ours(specification: dict[str, Any], batches: int) -> dict[str, float]:
    """Run `train` on a recipe for some batches, and time its epochs from their first step to their last."""
    from pellucid.recipes.recipe import load_recipe
    from pellucid.train.loop import TrainProgress, train

    batch = specification["batch"]
    per_epoch = min(batches, EPOCH // batch)
    values = {
        "data.train_images": per_epoch * batch + 1,  # one of them is held out
        "data.validation": 1e-9,
        "train.epochs": max(1, round(batches / per_epoch)),
        "train.patience": 0,
        "train.threads": specification["threads"],
        "train.precision": specification["precision"],
    }
    recipe = load_recipe(specification["case"]).with_values(values)
    if recipe.train.batch_size != batch:
        raise ValueError(f"{recipe.name} has batches of {recipe.train.batch_size}, the peer of {batch}")
    times: list[tuple[float, float]] = []
    last: list[TrainProgress] = []

    def note(progress: TrainProgress) -> None:
        times.append((time.perf_counter(), time.process_time()))
        last[:] = [progress]

    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), progress=note)
    epochs = [times[first : first + per_epoch] for first in range(0, len(times), per_epoch)]
    seconds, busy = (sum(epoch[-1][clock] - epoch[0][clock] for epoch in epochs) for clock in (0, 1))
    unit = 2**20 if sys.platform == "darwin" else 2**10
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    timed = batch * sum(len(epoch) - 1 for epoch in epochs)
    return {"rate": timed / seconds, "busy_rate": timed / busy, "loss": last[0].train_loss, "memory": memory}


def answer(**values: float) -> None:
    """Write one line of JSON."""
    print(json.dumps(values), flush=True)


def table(figures: list[Figures], peaks: dict[int, dict[str, float]], rounds: int) -> Table:
    """Return the figures as a table."""
    peak_texts = "; ".join(
        f"{threads} thread(s): fp32 {peak['fp32']:.0f}, bf16 {peak['bf16']:.0f}" for threads, peak in peaks.items()
    )
    result = Table(title=f"Training, median of {rounds} rounds", caption=f"Matrix peak, GFLOP/s: {peak_texts}")
    for heading in ("recipe", "threads", "side", "precision"):
        result.add_column(heading)
    for heading in ("samples/s", "slowest to fastest", "to faster Keras", "in CPU time", "of the peak", "peak MiB"):
        result.add_column(heading, justify="right")
    for row in figures:
        result.add_row(
            row.recipe,
            str(row.threads),
            row.side,
            row.precision,
            f"{row.rate:,.0f}",
            f"{row.slowest:,.0f} to {row.fastest:,.0f}",
            f"{row.ratio:.2f}x",
            f"{row.busy_ratio:.2f}x",
            f"{row.peak_fraction:.0%}",
            f"{row.memory:.0f}",
        )
    return result


if __name__ == "__main__":
    main()
