"""wrk, an independent load generator: it sends images, checks the answers, and times /healthz."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx

from photo_parts.tables import PartSkipped
from service_parts.clients import Counts
from service_parts.images import Bad, Good

PROGRAM = "wrk"
ABSENT = "wrk is not installed: apt install wrk"
SCRIPTS = Path(__file__).parent
THREADS, CONNECTIONS = 2, 4
PAUSE, STEADY_PAUSE = 100, 25  # milliseconds before the next request, at least
TIMEOUT = 120  # seconds for an answer


@dataclass(frozen=True)
class Waits:
    """Latencies.

    Attributes:
        answers: the number of answers.
        median: in seconds.
        p99: the 99th percentile, in seconds.
        failed: requests without an answer, or with a status other than 200.
    """

    answers: int
    median: float
    p99: float
    failed: int = 0


def is_installed() -> bool:
    """Return whether wrk is installed."""
    return shutil.which(PROGRAM) is not None


def write_requests(folder: Path, good: list[Good], bad: list[Bad]) -> None:
    """Write the requests and the expected answers for the script.

    Args:
        folder: the folder to make.
        good: images, sent as the request body.
        bad: bodies that have to be refused, sent as a form's file.
    """
    folder.mkdir()
    rows = [("healthz", "/healthz", "-", "-", "200", "-")]
    for image in good:
        (folder / image.name).write_bytes(image.content)
        (folder / f"{image.name}.answer").write_bytes(image.answer)
        rows.append(("good", image.name, image.name, "application/octet-stream", "200", f"{image.name}.answer"))
    for body in bad:
        form = httpx.Request("POST", "http://test", files={"file": (body.name, body.content)})
        (folder / f"bad-{body.name}").write_bytes(form.read())
        statuses = ",".join(map(str, body.statuses))
        rows.append(("bad", body.name, f"bad-{body.name}", form.headers["content-type"], statuses, "-"))
    (folder / "requests.tsv").write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


async def mixed(address: str, folder: Path, seconds: float, seed: int, pause: int = PAUSE) -> Counts:
    """Send the written requests and /healthz in random order for a number of seconds; return the answers.

    Raises:
        PartSkipped: if wrk fails.
    """
    options = ("--threads", str(THREADS), "--connections", str(CONNECTIONS))
    lines = await _run("mixed.lua", address, seconds, options, (str(folder), str(seed), str(pause)))
    found = Counts()
    for kind, what, number in (line.split("\t") for line in lines if line.count("\t") == 2):
        if kind == "count":
            found.counts[what] += int(number)
        else:
            found.wrong.append(what)
    return found


async def waits(url: str, seconds: float, pause: int = STEADY_PAUSE) -> Waits:
    """Send requests to one URL at a steady rate on one connection; return the latencies.

    Raises:
        PartSkipped: if wrk fails.
    """
    options = ("--threads", "1", "--connections", "1")
    lines = await _run("steady.lua", url, seconds, options, (str(pause),))
    found = {name: float(value) for name, value in (line.split("\t") for line in lines if line.count("\t") == 1)}
    return Waits(int(found["answers"]), found["median"] / 1e6, found["p99"] / 1e6, int(found["failed"]))


async def _run(
    script: str, url: str, seconds: float, options: tuple[str, ...], arguments: tuple[str, ...]
) -> list[str]:
    """Run wrk with a script, and return the lines that it printed."""
    command = [PROGRAM, *options, "--duration", f"{max(1, round(seconds))}s", "--timeout", f"{TIMEOUT}s"]
    command += ["--script", str(SCRIPTS / script), url, "--", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    # wrk also exits with 0 if its script fails.
    if process.returncode or error:
        raise PartSkipped(f"wrk ended: {(error or out).decode().strip()[-500:]}")
    return out.decode().splitlines()
