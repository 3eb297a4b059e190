"""How long /healthz takes while the service works, beside a bare server, which does nothing but answer."""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service_parts import wrk
from service_parts.wrk import Waits

PROBING = (sys.executable, str(Path(__file__).with_name("probing.py")))


async def waits(address: str, seconds: float) -> dict[str, Waits]:
    """Ask both over and over for so many seconds, by wrk where it is installed; return what `service` and `bare` took.

    Raises:
        LeftOut: if wrk fails.
    """
    async with _bare() as other:
        if wrk.is_installed():
            found = await asyncio.gather(wrk.waits(f"{address}/healthz", seconds), wrk.waits(f"{other}/", seconds))
            return dict(zip(("service", "bare"), found, strict=True))
        pipe = asyncio.subprocess.PIPE
        probe = await asyncio.create_subprocess_exec(*PROBING, address, other, str(seconds), stdout=pipe)
        told, _ = await probe.communicate()
        return {name: summed_up(latencies) for name, latencies in json.loads(told).items()}


def summed_up(latencies: list[float]) -> Waits:
    """Return the median and the 99th percentile of what single answers took, in seconds."""
    return Waits(len(latencies), statistics.median(latencies), statistics.quantiles(latencies, n=100)[98])


@asynccontextmanager
async def _bare() -> AsyncIterator[str]:
    """Start the bare server, and yield where it is."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*PROBING, "bare", stdin=pipe, stdout=pipe)
    assert process.stdin and process.stdout
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()
