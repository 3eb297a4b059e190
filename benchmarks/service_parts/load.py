"""Mixed load: are all answers right, is no job lost, does memory stay flat, and does /healthz answer meanwhile?"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service_parts import waiting, wrk
from service_parts.clients import Clients, Tally
from service_parts.images import Bad, Good, bad_images, good_images
from service_parts.serving import Service, Verdict, served
from service_parts.wrk import Waits

Act = Callable[[], Coroutine[Any, Any, None]]

MAX_BYTES, MAX_PIXELS = 2_000_000, 1_000_000
# One engine and one thread, so that the command line's bytes are the service's.
WORK = ["--engine", "onnxruntime", "--threads", "1"]
LIMITS = [
    *("--max-bytes", str(MAX_BYTES), "--max-pixels", str(MAX_PIXELS), "--idle-timeout", "5", "--body-timeout", "10"),
    *("--job-expiry", "30", "--disk-budget", "300M", "--queue-length", "8"),
]
SAMPLE = 1.0  # seconds between two looks at the memory
SLICES = 10  # of the time, so that of ten minutes each is one
MOST_GROWTH, MOST_WAIT = 0.05, 0.1
BY_WRK = ("good", "bad")  # what our own clients leave to wrk, where it is installed
PAUSES, RARELY = {"good": 0.05, "job": 0.05}, 1.0  # seconds after which a client comes again


@dataclass(frozen=True)
class Load:
    """What is sent: images, where wrk finds its requests (None: it sends none), for how long, and by which chance."""

    good: list[Good]
    bad: list[Bad]
    requests: Path | None
    seconds: float
    seed: int


@dataclass(frozen=True)
class Found:
    """What the load showed.

    Attributes:
        tally: what our own clients met.
        checked: what wrk met; None where it is not installed.
        memory: bytes at each look.
        waits: how long /healthz took of the `service`, and an answer of the `bare` server.
    """

    tally: Tally
    checked: Tally | None
    memory: list[float]
    waits: dict[str, Waits]


def measure(minutes: float, seed: int = 0) -> list[Verdict]:
    """Run the load for so many minutes, and return what it shows.

    Raises:
        LeftOut: if the service does not start, or wrk is there and fails.
    """
    with tempfile.TemporaryDirectory(prefix="pellucid-load-") as folder:
        good = good_images(Path(folder) / "images", WORK)
        bad = bad_images(good, Path(folder), MAX_PIXELS)
        requests = None
        if wrk.is_installed():
            requests = Path(folder) / "requests"
            wrk.written(requests, good, bad)
        with served(Path(folder) / "spool", *WORK, *LIMITS) as service:
            load = Load(good, bad, requests, 60 * minutes, seed)
            found = asyncio.run(_run(service, load))
    return _verdicts(f"{minutes:g} minutes of mixed load", found)


def _verdicts(what: str, found: Found) -> list[Verdict]:
    tally, checked = found.tally, found.checked
    lost = tally.accepted - tally.ended
    second, last = (statistics.median(part) for part in _slices(found.memory))
    note = "" if checked else f"; our own clients did all, since {wrk.ABSENT}"
    rows = [
        Verdict(f"{what}: wrong answers", _listed(tally.wrong, tally.counts) + note, "0", not tally.wrong),
        Verdict(f"{what}: lost jobs", f"{len(lost)} of {len(tally.accepted)}", "0", not lost),
        Verdict(
            f"{what}: memory, the last tenth beside the second",
            f"{last / 1e6:.0f} MB, {100 * (last / second - 1):+.1f} %",
            "within 5 %",
            abs(last / second - 1) <= MOST_GROWTH,
        ),
        _healthz(f"{what}: p99 of /healthz while denoising", found),
    ]
    if checked:
        is_right = bool(checked.counts) and not checked.wrong
        rows.insert(1, Verdict(f"{what}: wrong answers to wrk", _listed(checked.wrong, checked.counts), "0", is_right))
    return rows


def _healthz(what: str, found: Found) -> Verdict:
    service, bare = found.waits["service"], found.waits["bare"]
    words = (
        f"{1000 * service.p99:.0f} ms ({service.answers} answers{' to wrk' if found.checked else ''}, median "
        f"{1000 * service.median:.1f} ms); of a bare server beside it {1000 * bare.p99:.0f} ms"
    )
    words += f"; {service.failed} failed" if service.failed else ""
    return Verdict(what, words, "under 100 ms", service.p99 < MOST_WAIT and not service.failed)


async def _run(service: Service, load: Load) -> Found:
    """Let the clients loose, wrk among them where it is installed; return what they met."""
    ends = time.monotonic() + load.seconds
    async with httpx.AsyncClient(base_url=service.address, timeout=120) as http:
        clients = Clients(http, load.good, load.bad, MAX_BYTES, load.seed)
        loops = [_over_and_over(clients, name, act, ends) for name, act in _kinds(clients, load.requests is None)]
        checked = asyncio.create_task(_checked(service, load))
        waits = asyncio.create_task(waiting.waits(service.address, load.seconds))
        memory = asyncio.create_task(_watch(service, ends))
        await asyncio.gather(checked, waits, memory, *loops)
        await clients.settle()
    return Found(clients.tally, checked.result(), memory.result(), waits.result())


def _kinds(clients: Clients, is_all: bool) -> list[tuple[str, Act]]:
    """Return what our clients do at a time: all, twice what is good; or what wrk cannot."""
    kinds = clients.kinds()
    if is_all:
        return [*kinds.items(), ("good", kinds["good"])]
    return [(name, act) for name, act in kinds.items() if name not in BY_WRK]


async def _checked(service: Service, load: Load) -> Tally | None:
    if load.requests is None:
        return None
    return await wrk.mixed(service.address, load.requests, load.seconds, load.seed)


async def _over_and_over(clients: Clients, name: str, act: Act, ends: float) -> None:
    while time.monotonic() < ends:
        try:
            await act()
        except Exception as error:  # whatever it is, the service answered as no client expects
            clients.tally.wrong.append(f"{name}: {type(error).__name__}: {error}")
        await asyncio.sleep(PAUSES.get(name, RARELY))


async def _watch(service: Service, ends: float) -> list[float]:
    found = []
    while time.monotonic() < ends:
        found.append(float(await asyncio.to_thread(service.memory)))
        await asyncio.sleep(SAMPLE)
    return found


def _slices(memory: list[float]) -> tuple[list[float], list[float]]:
    """Return the second and the last tenth."""
    size = max(1, len(memory) // SLICES)
    return memory[size : 2 * size] or memory, memory[-size:]


def _listed(wrong: list[str], counts: Mapping[str, int]) -> str:
    answers = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return (f"{len(wrong)} ({'; '.join(wrong[:3])})" if wrong else "0") + f" of: {answers}"
