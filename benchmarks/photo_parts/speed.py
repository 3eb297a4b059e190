"""Speed: every denoiser in a process of its own, on the same gray images, in turn, round after round."""

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
from photo_parts.contenders import (
    CLASSICAL,
    OPENCV,
    Contender,
    Precision,
    bm3d,
    classical,
    dncnn,
    non_local_means,
    ours_on,
)
from photo_parts.options import Options
from photo_parts.tables import LeftOut, Table, gathered

SIDE = 512
SIGMA = 25
ENGINES: tuple[tuple[str, Precision], ...] = (("onnxruntime", "fp32"), ("openvino", "bf16"), ("torch", "bf16"))
BESIDE = ("DnCNN", "BM3D", OPENCV)
# The threads of some libraries go on spinning for a moment after their work is done.
PAUSE = 0.2


@dataclass(frozen=True)
class Turn:
    """One image denoised: wall-clock and processor seconds, PSNR in dB, and the process's peak memory in MiB so far."""

    seconds: float
    busy: float
    psnr: float
    memory: float


def speed(options: Options) -> list[Table]:
    """Time all denoisers of gray images."""
    images = square_images(options.rounds)
    taking_part, reasons = gathered(_makers(options))
    turns: dict[str, list[Turn]] = {}
    with contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for one in taking_part:
            try:
                workers[one.name] = stack.enter_context(working(one, images, options.threads))
            except LeftOut as error:
                reasons.append(f"left out: {error}")
        rounds = track(range(options.rounds), "speed", console=Console(stderr=True), transient=True)
        for number in rounds:
            for name, worker in workers.items():
                turns.setdefault(name, []).append(worker.turn(number % len(images)))
    return [table(turns, images, options, reasons)]


def square_images(count: int) -> list[np.ndarray]:
    """Return at most `count` gray images of 512x512: those of Set12, or one of scikit-image's."""
    with contextlib.suppress(LeftOut):
        found = [protocol.read(path, 1) for path in protocol.files(protocol.folder("test-photos", "Set12"))]
        if square := [image for image in found if image.shape == (SIDE, SIDE)]:
            return square[:count]
    try:
        from skimage import data
    except ModuleNotFoundError as error:
        raise LeftOut("neither Set12 nor scikit-image's images are at hand") from error
    return [data.camera()]


def _makers(options: Options) -> list[Callable[[], Contender]]:
    makers: list[Callable[[], Contender]] = []
    for name in options.models:
        for engine, precision in ENGINES:
            title = f"{name}, {engine} {precision}"
            makers.append(functools.partial(ours_on, options, name, title, engine, precision))
    makers += [functools.partial(dncnn, options), functools.partial(bm3d, options.bm3d_images)]
    makers.append(functools.partial(non_local_means, 1, SIGMA))
    return [*makers, *(functools.partial(classical, rival, 1, SIGMA) for rival in CLASSICAL)]


class Worker:
    """A process that denoises one image whenever it is told."""

    def __init__(self, name: str, connection: Connection) -> None:
        """Take the parent's end of the line to it."""
        self.name = name
        self.connection = connection

    def answer(self) -> Turn:
        """Return its next answer; raises LeftOut with what went wrong in it."""
        try:
            said = self.connection.recv()
        except EOFError as error:
            raise LeftOut(f"{self.name}: its process died") from error
        if isinstance(said, str):
            raise LeftOut(f"{self.name}: {said}")
        return said

    def turn(self, index: int) -> Turn:
        """Have it denoise the image at `index`."""
        time.sleep(PAUSE)
        self.connection.send(index)
        return self.answer()


@contextlib.contextmanager
def working(contender: Contender, images: list[np.ndarray], threads: int) -> Iterator[Worker]:
    """Start a process with a denoiser and its threads, and wait until it has denoised one image."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, contender, images, threads), daemon=True)
    process.start()
    there.close()
    try:
        worker = Worker(contender.name, here)
        worker.answer()
        yield worker
    finally:
        here.close()
        process.join()


def serve(connection: Connection, contender: Contender, images: list[np.ndarray], threads: int) -> None:
    """Be a worker: denoise an image to warm up, then each that is asked for."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    noisy = [protocol.noisy(image, SIGMA, index) for index, image in enumerate(images)]
    index = 0
    with contextlib.suppress(EOFError):  # the end of the line is the end of the work
        run = None
        while True:
            try:
                run = run or contender.start(threads)
                begun = time.perf_counter(), time.process_time()
                denoised = run(noisy[index], SIGMA / 255)
                seconds, busy = time.perf_counter() - begun[0], time.process_time() - begun[1]
                quality = protocol.psnr(protocol.finished(denoised), images[index])
                connection.send(Turn(seconds, busy, quality, peak_memory()))
            except Exception as error:
                connection.send(f"{type(error).__name__}: {error}")
            index = connection.recv()


def peak_memory() -> float:
    """Return this process's peak resident memory in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what the system calls its maximum starts at that of the process that spawned it
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(words[1]) for words in lines if words[0] == "VmHWM:") / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def table(turns: dict[str, list[Turn]], images: list[np.ndarray], options: Options, reasons: list[str]) -> Table:
    """Lay the times out, and how many times faster each is than those that it is measured against."""
    beside = [name for name in BESIDE if name in turns]
    formats = {"denoiser": "", "PSNR": ".2f", "s": ".3f", "min": ".3f", "max": ".3f", "CPU s": ".3f", "peak MiB": ".0f"}
    formats |= {f"x {name.partition(' ')[0]}": ".2f" for name in beside}
    rows = []
    for name, of_one in turns.items():
        seconds = [turn.seconds for turn in of_one]
        figures = statistics.mean(turn.psnr for turn in of_one[: len(images)]), statistics.median(seconds)
        busy = statistics.median(turn.busy for turn in of_one)
        ratios = [times_faster(seconds, [turn.seconds for turn in turns[other]]) for other in beside]
        rows.append((name, *figures, min(seconds), max(seconds), busy, of_one[-1].memory, *ratios))
    notes = [
        f"median of {options.rounds} interleaved rounds, {options.threads} threads each, every one in a process of its "
        f"own; {len(images)} gray images, the noise given; x: median over rounds of how many times faster it is",
        "PSNR in dB: the mean over these images",
        *reasons,
    ]
    title = f"Speed, gray {SIDE}x{SIDE}, sigma {SIGMA}"
    return Table(title, formats, rows, notes)


def times_faster(own: list[float], other: list[float]) -> float:
    """Return the median over rounds of how many times as long the other took."""
    return statistics.median(b / a for a, b in zip(own, other, strict=True))
