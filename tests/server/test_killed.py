"""kill -9 while jobs are running: each job ends, none is lost, and no result is made twice."""

import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from pellucid.image import read_image, write_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

IMAGES = 4
ADDRESS = re.compile(r"http://[\d.:]+")
UNDER_WAY = ("queued", "running")


@pytest.fixture
def served(tmp_path, exported):
    """Start the service on the same spool, again and again; yields the process and a client."""

    @contextmanager
    def served():
        command = [sys.executable, "-m", "pellucid", "serve", "--port", "0", "--spool", str(tmp_path / "spool")]
        command += ["--model", str(exported), "--engine", "onnxruntime", "--threads", "1", "--quiet"]
        log = tmp_path / "log"
        with log.open("w") as out, subprocess.Popen(command, stderr=out) as process:
            try:
                match = wait_for(lambda: ADDRESS.search(log.read_text()) or process.poll())
                assert isinstance(match, re.Match), log.read_text()
                with httpx.Client(base_url=match[0], timeout=60) as client:
                    yield process, client
            finally:
                process.kill()

    return served


@pytest.fixture
def images(tmp_path):
    """Files that take a while, one that is damaged, and one that is no image."""
    values = np.random.default_rng(0)
    found = []
    for number in range(IMAGES):
        path = tmp_path / f"{number}.png"
        write_image(path, values.integers(0, 256, (500, 500, 3), dtype=np.uint8))
        found.append((path.name, path.read_bytes()))
    return [*found, ("cut.png", found[0][1][:5000]), ("notes.png", b"Dear diary")]


def results(spool):
    """Map the items that are done, as the files say, to what distinguishes a result from one that was made again."""
    database = sqlite3.connect(spool / "jobs.sqlite3")
    done = database.execute("SELECT job, number FROM items WHERE state = 'done'").fetchall()
    database.close()
    stats = {item: (spool / "results" / item[0] / str(item[1]) / "result").stat() for item in done}
    return {item: (stat.st_ino, stat.st_mtime_ns) for item, stat in stats.items()}


def jobs_of(client, links):
    return [client.get(link).raise_for_status().json() for link in links]


def items_of(client, links):
    return [item for job in jobs_of(client, links) for item in job["items"]]


def wait_for(condition):
    ends = time.monotonic() + 100
    while not (found := condition()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def has_ended(pid):
    """Whether a process is gone, or only its parent's table still has it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children_of(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize("kills", [1, 6])
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_jobs_of_a_killed_service_end_once(served, images, tmp_path, kills):
    links, committed = [], {}
    for kill in range(kills):
        with served() as (process, client):
            for files in (images, images[:1]):
                answer = client.post("/v1/jobs", files=[("files", file) for file in files])
                links.append(answer.raise_for_status().headers["location"])
            # Something is done by now, and something else has just started.
            wait_for(lambda: "done" in {item["status"] for item in items_of(client, links[-2:])})
            wait_for(lambda: "running" in {item["status"] for item in items_of(client, links)})
            time.sleep(random.Random(kill).uniform(0, 0.3))
            workers = children_of(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
        for worker in workers:
            wait_for(partial(has_ended, worker))
        found = results(tmp_path / "spool")
        assert found and committed.items() <= found.items()
        committed = found
    with served() as (_, client):
        jobs = wait_for(
            lambda: all(job["status"] not in UNDER_WAY for job in jobs_of(client, links)) and jobs_of(client, links)
        )
        for job in jobs:
            for item in job["items"]:
                assert item["status"] in ("done", "failed") and bool(item["error"]) == (item["status"] == "failed")
                assert item["name"] in (item["error"] or "") or item["name"] not in ("cut.png", "notes.png")
            assert job["status"] == "done"
        check_result(client, jobs[-1], tmp_path)
    assert committed.items() <= results(tmp_path / "spool").items()
    assert {path.name for path in (tmp_path / "spool/results").iterdir()} == {job["id"] for job in jobs}
    assert not [path for path in (tmp_path / "spool/results").glob("*/*") if not path.name.isdecimal()]


def check_result(client, job, folder):
    (folder / "result.png").write_bytes(client.get(job["links"]["result"]).raise_for_status().content)
    assert read_image(folder / "result.png").pixels.shape == (500, 500, 3)


def test_queued_images_are_kept_when_the_service_stops(served, images):
    with served() as (process, client):
        link = client.post("/v1/jobs", files=[("files", file) for file in images]).headers["location"]
        wait_for(lambda: "running" in {item["status"] for item in items_of(client, [link])})
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with served() as (_, client):
        job = wait_for(lambda: next(iter(j for j in jobs_of(client, [link]) if j["status"] not in UNDER_WAY), None))
    assert [item["status"] for item in job["items"]] == ["done"] * IMAGES + ["failed"] * 2
