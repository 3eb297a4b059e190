"""Clients of all kinds; each repeats its requests and records every wrong answer."""

import asyncio
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from service_parts.images import Bad, Good

UNDER_WAY = ("queued", "running")
TIMEOUT = 120.0  # seconds for a job of a few small images
MEMBERS = {"type", "title", "status", "detail", "instance"}


@dataclass
class Counts:
    """The answers to the clients.

    Attributes:
        counts: answers by client and status.
        wrong: descriptions of wrong answers.
        accepted: the paths of the accepted jobs.
        ended: the paths of the accepted jobs that have ended.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def count(self, kind: str, answer: httpx.Response) -> None:
        """Count an answer; 429 is right if it has Retry-After."""
        self.counts[f"{kind} {answer.status_code}"] += 1
        if answer.status_code == 429:
            self.check("retry-after" in answer.headers, f"{kind}: 429 without Retry-After")

    def check(self, is_right: bool, problem: str) -> None:
        """Record the problem if something is not right."""
        if not is_right:
            self.wrong.append(problem)


class Clients:
    """Clients of one service."""

    def __init__(self, http: httpx.AsyncClient, good: list[Good], bad: list[Bad], max_bytes: int, seed: int) -> None:
        """Keep the connection pool, the images and bodies to send, and the service's limit."""
        self._http, self._good, self._bad, self._max_bytes = http, good, bad, max_bytes
        self._random = random.Random(seed)
        self._url = urlsplit(str(http.base_url))
        self.counts = Counts()

    def kinds(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Return one action of each kind of client, by name."""
        return {
            "good": self.good,
            "job": self.job,
            "cancelled job": self.cancelled_job,
            "bad": self.bad,
            "oversized": self.oversized,
            "slow": self.slow,
            "disconnecting": self.disconnecting,
        }

    async def good(self) -> None:
        """Send an image; the answer equals the file that the command line writes."""
        image = self._random.choice(self._good)
        answer = await self._http.post("/v1/denoise", content=image.content)
        if self._is_expected("good", answer):
            self.counts.check(answer.content == image.answer, f"{image.name}: another image than the command line's")

    async def bad(self) -> None:
        """Send an invalid body; the answer is a problem document."""
        body = self._random.choice(self._bad)
        answer = await self._http.post("/v1/denoise", files={"file": (body.name, body.content)})
        self._check_refusal("bad", answer, body.statuses, body.name)

    async def oversized(self) -> None:
        """Send more bytes than the limit, with or without Content-Length."""
        content = b"\x89PNG\r\n\x1a\n" + bytes(2 * self._max_bytes)

        async def parts():
            for start in range(0, len(content), 65536):
                yield content[start : start + 65536]

        body = content if self._random.random() < 0.5 else parts()
        # The service may close the connection before it has received everything.
        with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            self._check_refusal(
                "oversized", await self._http.post("/v1/denoise", content=body), (413,), "too many bytes"
            )

    async def slow(self) -> None:
        """Send a body so slowly that the service gives up."""
        reader, writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        head = f"POST /v1/denoise HTTP/1.1\r\nHost: {self._url.netloc}\r\nContent-Length: 5000\r\n\r\n"
        answer = b""
        try:
            writer.write(head.encode() + b"\x89PNG")
            for _ in range(100):
                with suppress(TimeoutError):
                    answer = await asyncio.wait_for(reader.read(1000), 0.5)
                    break
                writer.write(b"\0")
                await writer.drain()
            else:
                self.counts.check(False, "the service waited 50 s for a slow client")
        except ConnectionError:
            answer = b""
        finally:
            writer.close()
        status = answer[9:12].decode() or "closed"
        self.counts.counts[f"slow {status}"] += 1
        self.counts.check(status in ("408", "429", "503", "closed"), f"a slow client was answered {status}")

    async def disconnecting(self) -> None:
        """Send an image and disconnect before the answer."""
        image = self._random.choice(self._good)
        with suppress(httpx.TimeoutException):
            await self._http.post("/v1/denoise", content=image.content, timeout=self._random.uniform(0.02, 0.5))
        self.counts.counts["disconnecting"] += 1

    async def job(self) -> None:
        """Send a job of good and bad images, follow its events, and fetch the result."""
        images = self._random.choices(self._good, k=self._random.randint(1, 3))
        sent = [("files", (image.name, image.content)) for image in images]
        is_mixed = self._random.random() < 0.4
        if is_mixed:
            body = next(body for body in self._bad if body.name == "cut.png")
            sent.append(("files", (body.name, body.content)))
        job = await self._submit("job", sent)
        if job is None:
            return
        job = await self._wait_by_events(job)
        states = [item["status"] for item in job["items"]]
        self.counts.check(states == ["done"] * len(images) + ["failed"] * is_mixed, f"a job ended {states}")
        self.counts.check(all(item["error"] for item in job["items"] if item["status"] == "failed"), "no reason given")
        await self._check_result(job, images)
        if self._random.random() < 0.8:  # the others are left to expire
            answer = await self._http.delete(job["links"]["self"])
            self.counts.check(answer.status_code == 204, f"a finished job could not be removed: {answer.status_code}")

    async def cancelled_job(self) -> None:
        """Send a job and cancel it; one that was done by then is removed."""
        sent = [("files", (image.name, image.content)) for image in self._random.choices(self._good, k=3)]
        job = await self._submit("cancelled job", sent)
        if job is None:
            return
        await asyncio.sleep(self._random.uniform(0, 1))
        await self._http.delete(job["links"]["self"])
        job = await self._wait_by_polling(job, is_removed=True)
        states = {item["status"] for item in job["items"]} if job else set()
        self.counts.check(states <= {"done", "cancelled"}, f"a cancelled job ended {states}")

    async def wait_until_done(self) -> None:
        """Wait for the accepted jobs that have not ended yet."""
        for path in sorted(self.counts.accepted - self.counts.ended):
            await self._wait_by_polling({"status": "queued", "links": {"self": path}})

    async def _submit(self, kind: str, sent: list[tuple[str, tuple[str, bytes]]]) -> dict[str, Any] | None:
        answer = await self._http.post("/v1/jobs", files=sent)
        if not self._is_expected(kind, answer, 202):
            return None
        self.counts.accepted.add(answer.headers["location"])
        return answer.json()

    async def _wait_by_events(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a job once its events say that it has ended."""
        async with asyncio.timeout(TIMEOUT), self._http.stream("GET", job["links"]["events"]) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    job = json.loads(line.removeprefix("data: "))
        self.counts.check(job["status"] not in UNDER_WAY, "the events ended before the job")
        self.counts.ended.add(job["links"]["self"])
        return job

    async def _wait_by_polling(self, job: dict[str, Any], is_removed: bool = False) -> dict[str, Any] | None:
        """Return a job once it has ended; None if it is gone, which is right only with `is_removed`."""
        path = job["links"]["self"]
        async with asyncio.timeout(TIMEOUT):
            while job["status"] in UNDER_WAY:
                await asyncio.sleep(0.2)
                answer = await self._http.get(path)
                if answer.status_code == 404:
                    self.counts.check(is_removed, "an accepted job was not there any more")
                    self.counts.ended |= {path} if is_removed else set()
                    return None
                job = answer.json()
        self.counts.ended.add(path)
        return job

    async def _check_result(self, job: dict[str, Any], images: list[Good]) -> None:
        answer = await self._http.get(job["links"]["result"])
        if not self._is_expected("result", answer):
            return
        if len(job["items"]) == 1:
            found = [answer.content]
        else:
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                found = [archive.read(name) for name in archive.namelist() if Path(name).suffix != ".txt"]
        self.counts.check(found == [image.answer for image in images], "a job's result is not the command line's")

    def _is_expected(self, kind: str, answer: httpx.Response, status: int = 200) -> bool:
        """Count an answer, and return whether it is the expected one."""
        self.counts.count(kind, answer)
        self.counts.check(answer.status_code in (status, 429), f"{kind}: {answer.status_code} {answer.text[:200]}")
        return answer.status_code == status

    def _check_refusal(self, kind: str, answer: httpx.Response, statuses: tuple[int, ...], words: str) -> None:
        self.counts.count(kind, answer)
        is_right = answer.status_code in (*statuses, 429) and answer.headers["content-type"] == (
            "application/problem+json"
        )
        self.counts.check(
            is_right and answer.json().keys() >= MEMBERS, f"{words}: {answer.status_code} {answer.text[:200]}"
        )
