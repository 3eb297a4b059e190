"""Speed: every denoiser in a process of its own, on the same gray images, in interleaved rounds."""

import contextlib
import functools
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from photo_parts import protocol
from photo_parts.methods import (
    CLASSICAL,
    OPENCV,
    Method,
    Precision,
    bm3d,
    classical,
    dncnn,
    non_local_means,
    ours_on,
)
from photo_parts.options import Options
from photo_parts.tables import PartSkipped, Table, collect

SIDE = 512
SIGMA = 25
ENGINES: tuple[tuple[str, Precision], ...] = (("onnxruntime", "fp32"), ("openvino", "bf16"), ("torch", "bf16"))
COMPARED_WITH = ("DnCNN", "BM3D", OPENCV)
# The threads of some libraries keep spinning for a moment after their work is done.
REST_SECONDS = 0.2


@dataclass(frozen=True)
class Round:
    """One image denoised: wall-clock and processor seconds, PSNR in dB, and the process's peak memory in MiB so far."""

    seconds: float
    cpu_seconds: float
    psnr: float
    memory: float


def speed(options: Options) -> list[Table]:
    """Time all denoisers of gray images."""
    images = square_images(options.rounds)
    taking_part, reasons = collect(_makers(options))
    rounds_of: dict[str, list[Round]] = {}
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for one in taking_part:
            try:
                workers[one.name] = stack.enter_context(start_worker(one, images, options.threads))
            except PartSkipped as error:
                reasons.append(f"skipped: {error}")
        rounds = track(range(options.rounds), "speed", console=Console(stderr=True), transient=True)
        for number in rounds:
            for name, worker in workers.items():
                rounds_of.setdefault(name, []).append(worker.run_round(number % len(images)))
    return [table(rounds_of, images, options, reasons)]


def square_images(count: int) -> list[np.ndarray]:
    """Return at most `count` gray images of 512x512: those of Set12, or one of scikit-image's."""
    with contextlib.suppress(PartSkipped):
        found = [protocol.read(path, 1) for path in protocol.files(protocol.folder("test-photos", "Set12"))]
        if square := [image for image in found if image.shape == (SIDE, SIDE)]:
            return square[:count]
    try:
        from skimage import data
    except ModuleNotFoundError as error:
        raise PartSkipped("neither Set12 nor scikit-image's images are installed") from error
    return [data.camera()]


def _makers(options: Options) -> list[Callable[[], Method]]:
    makers: list[Callable[[], Method]] = []
    for name in options.models:
        for engine, precision in ENGINES:
            title = f"{name}, {engine} {precision}"
            makers.append(functools.partial(ours_on, options, name, title, engine, precision))
    makers += [functools.partial(dncnn, options), functools.partial(bm3d, options.bm3d_images)]
    makers.append(functools.partial(non_local_means, 1, SIGMA))
    return [*makers, *(functools.partial(classical, baseline, 1, SIGMA) for baseline in CLASSICAL)]


class Worker:
    """A process that denoises one image per request."""

    def __init__(self, name: str, connection: Connection) -> None:
        """Keep the parent's end of the pipe."""
        self.name = name
        self.connection = connection

    def receive(self) -> Round:
        """Return its next result; raises PartSkipped with its error."""
        try:
            result = self.connection.recv()
        except EOFError as error:
            raise PartSkipped(f"{self.name}: its process died") from error
        if isinstance(result, str):
            raise PartSkipped(f"{self.name}: {result}")
        return result

    def run_round(self, index: int) -> Round:
        """Denoise the image at `index` in the process."""
        time.sleep(REST_SECONDS)
        self.connection.send(index)
        return self.receive()


@contextlib.contextmanager
def start_worker(method: Method, images: list[np.ndarray], threads: int) -> Iterator[Worker]:
    """Start a process with a denoiser and its threads, and wait until it has denoised one image."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, method, images, threads), daemon=True)
    process.start()
    there.close()
    try:
        worker = Worker(method.name, here)
        worker.receive()
        yield worker
    finally:
        here.close()
        process.join()


def serve(connection: Connection, method: Method, images: list[np.ndarray], threads: int) -> None:
    """Run as a worker: denoise an image to warm up, then each that is requested."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    noisy = [protocol.noisy(image, SIGMA, index) for index, image in enumerate(images)]
    index = 0
    with contextlib.suppress(EOFError):  # the parent closes the pipe to end the work
        run = None
        while True:
            try:
                run = run or method.start(threads)
                started = time.perf_counter(), time.process_time()
                denoised = run(noisy[index], SIGMA / 255)
                seconds, cpu_seconds = time.perf_counter() - started[0], time.process_time() - started[1]
                quality = protocol.psnr(protocol.quantize(denoised), images[index])
                connection.send(Round(seconds, cpu_seconds, quality, peak_memory()))
            except Exception as error:
                connection.send(f"{type(error).__name__}: {error}")
            index = connection.recv()


def peak_memory() -> float:
    """Return this process's peak resident memory in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # the maximum that getrusage returns starts at that of the parent process
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(words[1]) for words in lines if words[0] == "VmHWM:") / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def table(rounds_of: dict[str, list[Round]], images: list[np.ndarray], options: Options, reasons: list[str]) -> Table:
    """Return a table of the times, and how many times faster each is than those it is compared with."""
    compared = [name for name in COMPARED_WITH if name in rounds_of]
    formats = {"denoiser": "", "PSNR": ".2f", "s": ".3f", "min": ".3f", "max": ".3f", "CPU s": ".3f", "peak MiB": ".0f"}
    formats |= {f"x {name.partition(' ')[0]}": ".2f" for name in compared}
    rows = []
    for name, of_one in rounds_of.items():
        seconds = [one.seconds for one in of_one]
        figures = statistics.mean(one.psnr for one in of_one[: len(images)]), statistics.median(seconds)
        cpu_seconds = statistics.median(one.cpu_seconds for one in of_one)
        ratios = [times_faster(seconds, [one.seconds for one in rounds_of[other]]) for other in compared]
        rows.append((name, *figures, min(seconds), max(seconds), cpu_seconds, of_one[-1].memory, *ratios))
    notes = [
        f"median of {options.rounds} interleaved rounds, {options.threads} threads each, each in a process of its "
        f"own; {len(images)} gray images, sigma is given; x: median over rounds of how many times faster it is",
        "PSNR in dB: the mean over these images",
        *reasons,
    ]
    title = f"Speed, gray {SIDE}x{SIDE}, sigma {SIGMA}"
    return Table(title, formats, rows, notes)


def times_faster(own: list[float], other: list[float]) -> float:
    """Return the median over rounds of how many times as long the other took."""
    return statistics.median(b / a for a, b in zip(own, other, strict=True))
