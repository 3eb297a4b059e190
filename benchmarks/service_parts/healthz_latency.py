"""The latency of /healthz while the service works, compared with a minimal server, which only answers."""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service_parts import wrk
from service_parts.wrk import Waits

PROBING = (sys.executable, str(Path(__file__).with_name("latency_probe.py")))


async def waits(address: str, seconds: float) -> dict[str, Waits]:
    """Send requests to both for a number of seconds, by wrk where it is installed; return the latencies.

    Raises:
        PartSkipped: if wrk fails.
    """
    async with _bare() as other:
        if wrk.is_installed():
            found = await asyncio.gather(wrk.waits(f"{address}/healthz", seconds), wrk.waits(f"{other}/", seconds))
            return dict(zip(("service", "bare"), found, strict=True))
        pipe = asyncio.subprocess.PIPE
        probe = await asyncio.create_subprocess_exec(*PROBING, address, other, str(seconds), stdout=pipe)
        output, _ = await probe.communicate()
        return {name: summarize(latencies) for name, latencies in json.loads(output).items()}


def summarize(latencies: list[float]) -> Waits:
    """Return the median and the 99th percentile of latencies, in seconds."""
    return Waits(len(latencies), statistics.median(latencies), statistics.quantiles(latencies, n=100)[98])


@asynccontextmanager
async def _bare() -> AsyncIterator[str]:
    """Start the minimal server, and yield its address."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*PROBING, "bare", stdin=pipe, stdout=pipe)
    assert process.stdin and process.stdout
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()
