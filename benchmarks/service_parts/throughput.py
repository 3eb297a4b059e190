"""Requests of 512x512 images per second, compared with `pellucid denoise` on a folder of the same images.

Both are timed in interleaved rounds, so that other load on the machine affects both. The start-up time of the command
line, measured by a run on one image, is subtracted, since the service has already started.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from pellucid.image import write_image
from service_parts.images import picture
from service_parts.service_process import Verdict, run_service

SIZE = 512
CLIENTS = 4
MIN_RATIO = 0.9
ENGINE = "onnxruntime"


def measure(count: int, rounds: int) -> list[Verdict]:
    """Denoise a number of images both ways in each round, and return the verdict."""
    with tempfile.TemporaryDirectory(prefix="pellucid-throughput-") as folder:
        many, one = Path(folder) / "many", Path(folder) / "one"
        for target, images in ((many, count), (one, 1)):
            target.mkdir()
            for seed in range(images):
                write_image(target / f"{seed:04d}.png", picture(seed, SIZE))
        contents = [path.read_bytes() for path in sorted(many.iterdir())]
        with run_service(Path(folder) / "spool", "--engine", ENGINE) as service:
            asyncio.run(_service_seconds(service.address, contents[:2]))
            ratios, rates = [], []
            for _ in range(rounds):
                start = _command_line_seconds(one)
                command_line = (count - 1) / (_command_line_seconds(many) - start)
                rates.append((count / asyncio.run(_service_seconds(service.address, contents)), command_line))
                ratios.append(rates[-1][0] / rates[-1][1])
    service_rate, command_rate = (statistics.median(kind) for kind in zip(*rates, strict=True))
    ratio = statistics.median(ratios)
    return [
        Verdict(
            "throughput of good 512x512 requests",
            f"{100 * ratio:.0f} % ({service_rate:.2f} a second beside {command_rate:.2f}; {rounds} rounds of {count}, "
            f"{100 * min(ratios):.0f} to {100 * max(ratios):.0f} %)",
            "at least 90 % of pellucid denoise on a folder",
            ratio >= MIN_RATIO,
        )
    ]


def _command_line_seconds(folder: Path) -> float:
    """Return the seconds that the command line takes for a folder."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "pellucid", "denoise", str(folder), "-o", f"{out}/clean", "--engine", ENGINE]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started


async def _service_seconds(address: str, contents: list[bytes]) -> float:
    """Return the seconds that the service needs for images that a few clients send."""
    waiting = list(contents)

    async def client(http: httpx.AsyncClient) -> None:
        while waiting:
            answer = await http.post("/v1/denoise", content=waiting.pop())
            answer.raise_for_status()

    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=address, timeout=300) as http:
        await asyncio.gather(*(client(http) for _ in range(CLIENTS)))
    return time.perf_counter() - started
