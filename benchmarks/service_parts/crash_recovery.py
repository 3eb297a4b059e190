"""Kill the server by kill -9 while jobs run, several times: every accepted job has to end once."""

import random
import sqlite3
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from service_parts.images import Good, bad_images, good_images
from service_parts.load import MAX_PIXELS, WORK
from service_parts.service_process import Verdict, run_service, wait_for

UNDER_WAY = ("queued", "running")
TIMEOUT = 600.0
BETWEEN = (0.0, 4.0)  # seconds after a job was accepted in which the server is killed


@dataclass
class Record:
    """The accepted jobs.

    Attributes:
        sent: the images of each, by the path of the job.
        done: inode and time of the results that existed at a kill, by job and number of the image.
        replaced: those of them that were replaced later.
    """

    sent: dict[str, list[Good]] = field(default_factory=dict)
    done: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    replaced: set[tuple[str, int]] = field(default_factory=set)

    def update(self, spool: Path) -> None:
        """Read the results of the killed server."""
        database = sqlite3.connect(spool / "jobs.sqlite3")
        rows = database.execute("SELECT job, number FROM items WHERE state = 'done'").fetchall()
        database.close()
        found = {}
        for job, number in rows:
            stat = (spool / "results" / job / str(number) / "result").stat()
            found[job, number] = (stat.st_ino, stat.st_mtime_ns)
        self.replaced |= {item for item, seen in self.done.items() if found.get(item) != seen}
        self.done = found


def measure(kills: int, seed: int = 0) -> list[Verdict]:
    """Kill a server a number of times, and return the verdict on its jobs."""
    choice, record = random.Random(seed), Record()
    with tempfile.TemporaryDirectory(prefix="pellucid-kill-") as folder:
        good = good_images(Path(folder) / "images", WORK)
        cut = next(body for body in bad_images(good, Path(folder), MAX_PIXELS) if body.name == "cut.png")
        spool = Path(folder) / "spool"
        for _ in range(kills):
            with run_service(spool, *WORK) as service, httpx.Client(base_url=service.address, timeout=60) as http:
                for _ in range(2):
                    images = choice.choices(good, k=choice.randint(1, 4))
                    files = [(image.name, image.content) for image in images] + [(cut.name, cut.content)]
                    answer = http.post("/v1/jobs", files=[("files", file) for file in files]).raise_for_status()
                    record.sent[answer.headers["location"]] = images
                time.sleep(choice.uniform(*BETWEEN))
                service.kill()
            record.update(spool)
        with run_service(spool, *WORK) as service, httpx.Client(base_url=service.address, timeout=60) as http:
            jobs = {path: _wait_until_finished(http, path) for path in record.sent}
            wrong = [path for path, job in jobs.items() if job and not _is_right(http, job, record.sent[path])]
            service.kill()
        record.update(spool)
    return [_verdict(kills, record, jobs, wrong)]


def _verdict(kills: int, record: Record, jobs: dict[str, Any], wrong: list[str]) -> Verdict:
    items = [item for job in jobs.values() if job for item in job["items"]]
    lost = [path for path, job in jobs.items() if job is None]
    states = Counter(item["status"] for item in items)
    without_reason = [item for item in items if item["status"] == "failed" and not item["error"]]
    stopped = sum("was stopped" in (item["error"] or "") for item in items)
    found = (
        f"{len(jobs)} jobs with {len(items)} images: {states['done']} done, {states['failed']} failed with a reason "
        f"({stopped} because of two kills), {len(lost)} lost, {len(record.replaced)} done twice, {len(wrong)} wrong"
    )
    is_reached = not (lost or record.replaced or wrong or without_reason or set(states) - {"done", "failed"})
    return Verdict(f"{kills} times kill -9 mid-job, restart", found, "none lost, none done twice", is_reached)


def _wait_until_finished(http: httpx.Client, path: str) -> dict[str, Any] | None:
    """Return a job once it has ended; None if it is not there."""

    def found() -> dict[str, Any] | None:
        answer = http.get(path)
        if answer.status_code == 404:
            raise FileNotFoundError
        job = answer.raise_for_status().json()
        return None if job["status"] in UNDER_WAY else job

    try:
        return wait_for(found, f"{path} does not end", TIMEOUT)
    except (FileNotFoundError, TimeoutError):
        return None


def _is_right(http: httpx.Client, job: dict[str, Any], images: list[Good]) -> bool:
    """Return whether results equal the command line's, and only damaged or twice interrupted images failed."""
    *whole, damaged = job["items"]
    for item, image in zip(whole, images, strict=True):
        if item["status"] == "failed" and "was stopped" not in item["error"]:
            return False
        if item["status"] == "done" and http.get(item["links"]["result"]).content != image.answer:
            return False
    return damaged["status"] == "failed"
