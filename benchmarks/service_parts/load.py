"""Mixed load: are all answers right, is no job lost, does memory stay flat, and does /healthz answer meanwhile?"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx

from service_parts.clients import Clients
from service_parts.images import Bad, Good, bad_images, good_images
from service_parts.serving import Service, Verdict, served

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
PAUSES, RARELY = {"good": 0.05, "job": 0.05}, 1.0  # seconds after which a client comes again


def measure(minutes: float, seed: int = 0) -> list[Verdict]:
    """Run the load for so many minutes, and return what it shows."""
    with tempfile.TemporaryDirectory(prefix="pellucid-load-") as folder:
        good = good_images(Path(folder) / "images", WORK)
        bad = bad_images(good, Path(folder), MAX_PIXELS)
        with served(Path(folder) / "spool", *WORK, *LIMITS) as service:
            clients, memory, waits = asyncio.run(_run(service, good, bad, 60 * minutes, seed))
    tally = clients.tally
    lost = tally.accepted - tally.ended
    second, last = (statistics.median(part) for part in _slices(memory))
    p99, bare = (statistics.quantiles(waits[name], n=100)[98] for name in ("service", "bare"))
    answers = ", ".join(f"{count} {name}" for name, count in sorted(tally.counts.items()))
    what = f"{minutes:g} minutes of mixed load"
    return [
        Verdict(f"{what}: wrong answers", _listed(tally.wrong) + f" of: {answers}", "0", not tally.wrong),
        Verdict(f"{what}: lost jobs", f"{len(lost)} of {len(tally.accepted)}", "0", not lost),
        Verdict(
            f"{what}: memory, the last tenth beside the second",
            f"{last / 1e6:.0f} MB, {100 * (last / second - 1):+.1f} %",
            "within 5 %",
            abs(last / second - 1) <= MOST_GROWTH,
        ),
        Verdict(
            f"{what}: p99 of /healthz while denoising",
            f"{1000 * p99:.0f} ms ({len(waits['service'])} answers, median "
            f"{1000 * statistics.median(waits['service']):.1f} ms); of a bare server beside it {1000 * bare:.0f} ms",
            "under 100 ms",
            p99 < MOST_WAIT,
        ),
    ]


async def _run(
    service: Service, good: list[Good], bad: list[Bad], seconds: float, seed: int
) -> tuple[Clients, list[float], dict[str, list[float]]]:
    """Let the clients loose, and return them, the memory at each look, and how long /healthz took."""
    program, pipe = (sys.executable, str(Path(__file__).with_name("probing.py"))), asyncio.subprocess.PIPE
    bare = await asyncio.create_subprocess_exec(*program, "bare", stdin=pipe, stdout=pipe)
    assert bare.stdin and bare.stdout
    address = (await bare.stdout.readline()).decode().strip()
    probe = await asyncio.create_subprocess_exec(*program, service.address, address, str(seconds), stdout=pipe)
    ends = time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=service.address, timeout=120) as http:
        clients = Clients(http, good, bad, MAX_BYTES, seed)
        loops = [_over_and_over(clients, name, act, ends) for name, act in clients.kinds().items()]
        loops.append(_over_and_over(clients, "good", clients.good, ends))
        watch = asyncio.create_task(_watch(service, ends))
        await asyncio.gather(*loops)
        memory = await watch
        told, _ = await probe.communicate()
        await clients.settle()
    bare.stdin.close()
    await bare.wait()
    return clients, memory, json.loads(told)


async def _over_and_over(
    clients: Clients, name: str, act: Callable[[], Coroutine[Any, Any, None]], ends: float
) -> None:
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


def _listed(wrong: list[str]) -> str:
    return f"{len(wrong)} ({'; '.join(wrong[:3])})" if wrong else "0"
