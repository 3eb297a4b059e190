"""Mixed load: right answers, no lost job, constant memory, and a responsive /healthz."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service_parts import healthz_latency, wrk
from service_parts.clients import Clients, Counts
from service_parts.images import Bad, Good, bad_images, good_images
from service_parts.service_process import Service, Verdict, run_service
from service_parts.wrk import Waits

Act = Callable[[], Coroutine[Any, Any, None]]

MAX_BYTES, MAX_PIXELS = 2_000_000, 1_000_000
# One engine and one thread, so that the command line's bytes are the service's.
WORK = ["--engine", "onnxruntime", "--threads", "1"]
LIMITS = [
    *("--max-bytes", str(MAX_BYTES), "--max-pixels", str(MAX_PIXELS), "--idle-timeout", "5", "--body-timeout", "10"),
    *("--job-expiry", "30", "--disk-budget", "300M", "--queue-length", "8"),
]
SAMPLE = 1.0  # seconds between two measurements of the memory
SLICES = 10  # of the time: a minute each for ten minutes
MAX_GROWTH, MAX_WAIT = 0.05, 0.1
BY_WRK = ("good", "bad")  # sent by wrk instead of our own clients, where it is installed
INTERVALS, DEFAULT_INTERVAL = {"good": 0.05, "job": 0.05}, 1.0  # seconds before the next request of a client


@dataclass(frozen=True)
class Load:
    """The load: images, the folder of wrk's requests (None without wrk), the duration and the seed."""

    good: list[Good]
    bad: list[Bad]
    requests: Path | None
    seconds: float
    seed: int


@dataclass(frozen=True)
class Found:
    """The results of the load.

    Attributes:
        counts: the answers to our own clients.
        wrk_counts: the answers to wrk; None where it is not installed.
        memory: bytes at each measurement.
        waits: the latency of /healthz of the `service`, and of the `bare` server.
    """

    counts: Counts
    wrk_counts: Counts | None
    memory: list[float]
    waits: dict[str, Waits]


def measure(minutes: float, seed: int = 0) -> list[Verdict]:
    """Run the load for a number of minutes, and return the verdicts.

    Raises:
        PartSkipped: if the service does not start, or wrk fails.
    """
    with tempfile.TemporaryDirectory(prefix="pellucid-load-") as folder:
        good = good_images(Path(folder) / "images", WORK)
        bad = bad_images(good, Path(folder), MAX_PIXELS)
        requests = None
        if wrk.is_installed():
            requests = Path(folder) / "requests"
            wrk.write_requests(requests, good, bad)
        with run_service(Path(folder) / "spool", *WORK, *LIMITS) as service:
            load = Load(good, bad, requests, 60 * minutes, seed)
            found = asyncio.run(_run(service, load))
    return _verdicts(f"{minutes:g} minutes of mixed load", found)


def _verdicts(what: str, found: Found) -> list[Verdict]:
    counts, wrk_counts = found.counts, found.wrk_counts
    lost = counts.accepted - counts.ended
    second, last = (statistics.median(part) for part in _slices(found.memory))
    note = "" if wrk_counts else f"; our own clients sent all, since {wrk.ABSENT}"
    rows = [
        Verdict(f"{what}: wrong answers", _format_answers(counts.wrong, counts.counts) + note, "0", not counts.wrong),
        Verdict(f"{what}: lost jobs", f"{len(lost)} of {len(counts.accepted)}", "0", not lost),
        Verdict(
            f"{what}: memory, the last tenth against the second",
            f"{last / 1e6:.0f} MB, {100 * (last / second - 1):+.1f} %",
            "within 5 %",
            abs(last / second - 1) <= MAX_GROWTH,
        ),
        _healthz(f"{what}: p99 of /healthz while denoising", found),
    ]
    if wrk_counts:
        is_right = bool(wrk_counts.counts) and not wrk_counts.wrong
        rows.insert(
            1,
            Verdict(
                f"{what}: wrong answers to wrk", _format_answers(wrk_counts.wrong, wrk_counts.counts), "0", is_right
            ),
        )
    return rows


def _healthz(what: str, found: Found) -> Verdict:
    service, bare = found.waits["service"], found.waits["bare"]
    words = (
        f"{1000 * service.p99:.0f} ms ({service.answers} answers{' to wrk' if found.wrk_counts else ''}, median "
        f"{1000 * service.median:.1f} ms); of a bare server beside it {1000 * bare.p99:.0f} ms"
    )
    words += f"; {service.failed} failed" if service.failed else ""
    return Verdict(what, words, "under 100 ms", service.p99 < MAX_WAIT and not service.failed)


async def _run(service: Service, load: Load) -> Found:
    """Run all clients, and wrk where it is installed; return their results."""
    ends = time.monotonic() + load.seconds
    async with httpx.AsyncClient(base_url=service.address, timeout=120) as http:
        clients = Clients(http, load.good, load.bad, MAX_BYTES, load.seed)
        loops = [_repeat(clients, name, act, ends) for name, act in _kinds(clients, load.requests is None)]
        checking = asyncio.create_task(_run_wrk(service, load))
        waits = asyncio.create_task(healthz_latency.waits(service.address, load.seconds))
        memory = asyncio.create_task(_measure_memory(service, ends))
        await asyncio.gather(checking, waits, memory, *loops)
        await clients.wait_until_done()
    return Found(clients.counts, checking.result(), memory.result(), waits.result())


def _kinds(clients: Clients, is_all: bool) -> list[tuple[str, Act]]:
    """Return the actions of our clients: all of them with `good` twice, or those that wrk cannot do."""
    kinds = clients.kinds()
    if is_all:
        return [*kinds.items(), ("good", kinds["good"])]
    return [(name, act) for name, act in kinds.items() if name not in BY_WRK]


async def _run_wrk(service: Service, load: Load) -> Counts | None:
    if load.requests is None:
        return None
    return await wrk.mixed(service.address, load.requests, load.seconds, load.seed)


async def _repeat(clients: Clients, name: str, act: Act, ends: float) -> None:
    while time.monotonic() < ends:
        try:
            await act()
        except Exception as error:  # any error means an answer that no client expects
            clients.counts.wrong.append(f"{name}: {type(error).__name__}: {error}")
        await asyncio.sleep(INTERVALS.get(name, DEFAULT_INTERVAL))


async def _measure_memory(service: Service, ends: float) -> list[float]:
    found = []
    while time.monotonic() < ends:
        found.append(float(await asyncio.to_thread(service.memory)))
        await asyncio.sleep(SAMPLE)
    return found


def _slices(memory: list[float]) -> tuple[list[float], list[float]]:
    """Return the second and the last tenth."""
    size = max(1, len(memory) // SLICES)
    return memory[size : 2 * size] or memory, memory[-size:]


def _format_answers(wrong: list[str], counts: Mapping[str, int]) -> str:
    answers = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return (f"{len(wrong)} ({'; '.join(wrong[:3])})" if wrong else "0") + f" of: {answers}"
