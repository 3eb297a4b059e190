"""Clients of all kinds, each of which does its own over and over and notes every answer that is not right."""

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
PATIENCE = 120.0  # seconds in which a job of a few small images has to end
MEMBERS = {"type", "title", "status", "detail", "instance"}


@dataclass
class Tally:
    """What the clients met.

    Attributes:
        counts: answers by client and status.
        wrong: what was not right, in words.
        accepted: the paths of jobs that were accepted, and of those that are known to have ended.
        ended: the latter.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    accepted: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def count(self, kind: str, answer: httpx.Response) -> None:
        """Count an answer; to be told to come later is right, if it says when."""
        self.counts[f"{kind} {answer.status_code}"] += 1
        if answer.status_code == 429:
            self.check("retry-after" in answer.headers, f"{kind}: 429 without Retry-After")

    def check(self, is_right: bool, words: str) -> None:
        """Note what is not right."""
        if not is_right:
            self.wrong.append(words)


class Clients:
    """Clients of one service."""

    def __init__(self, http: httpx.AsyncClient, good: list[Good], bad: list[Bad], max_bytes: int, seed: int) -> None:
        """Take a connection pool, what is sent, and the service's limit."""
        self._http, self._good, self._bad, self._max_bytes = http, good, bad, max_bytes
        self._random = random.Random(seed)
        self._place = urlsplit(str(http.base_url))
        self.tally = Tally()

    def kinds(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        """Return what each kind of client does once, by name."""
        return {
            "good": self.good,
            "job": self.job,
            "cancelled job": self.cancelled_job,
            "bad": self.bad,
            "oversized": self.oversized,
            "slow": self.slow,
            "leaving": self.leaving,
        }

    async def good(self) -> None:
        """Send an image; the answer is what the command line writes."""
        image = self._random.choice(self._good)
        answer = await self._http.post("/v1/denoise", content=image.content)
        if self._may_come("good", answer):
            self.tally.check(answer.content == image.answer, f"{image.name}: another image than the command line's")

    async def bad(self) -> None:
        """Send what is no image that can be taken; the answer is a problem document that says so."""
        body = self._random.choice(self._bad)
        answer = await self._http.post("/v1/denoise", files={"file": (body.name, body.content)})
        self._refused("bad", answer, body.statuses, body.name)

    async def oversized(self) -> None:
        """Send more than may be sent, with its length announced or not."""
        content = b"\x89PNG\r\n\x1a\n" + bytes(2 * self._max_bytes)

        async def parts():
            for start in range(0, len(content), 65536):
                yield content[start : start + 65536]

        body = content if self._random.random() < 0.5 else parts()
        # The service may close the connection rather than take all of it.
        with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            self._refused("oversized", await self._http.post("/v1/denoise", content=body), (413,), "too many bytes")

    async def slow(self) -> None:
        """Send a body so slowly that it is not waited for."""
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        head = f"POST /v1/denoise HTTP/1.1\r\nHost: {self._place.netloc}\r\nContent-Length: 5000\r\n\r\n"
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
                self.tally.check(False, "a slow client was waited for for 50 s")
        except ConnectionError:
            answer = b""
        finally:
            writer.close()
        status = answer[9:12].decode() or "closed"
        self.tally.counts[f"slow {status}"] += 1
        self.tally.check(status in ("408", "429", "503", "closed"), f"a slow client was answered {status}")

    async def leaving(self) -> None:
        """Send an image and go away before there is an answer."""
        image = self._random.choice(self._good)
        with suppress(httpx.TimeoutException):
            await self._http.post("/v1/denoise", content=image.content, timeout=self._random.uniform(0.02, 0.5))
        self.tally.counts["leaving"] += 1

    async def job(self) -> None:
        """Send a job of good and bad images, follow it, and fetch what came of it."""
        wanted = self._random.choices(self._good, k=self._random.randint(1, 3))
        sent = [("files", (image.name, image.content)) for image in wanted]
        is_mixed = self._random.random() < 0.4
        if is_mixed:
            body = next(body for body in self._bad if body.name == "cut.png")
            sent.append(("files", (body.name, body.content)))
        job = await self._accepted("job", sent)
        if job is None:
            return
        job = await self._followed(job)
        states = [item["status"] for item in job["items"]]
        self.tally.check(states == ["done"] * len(wanted) + ["failed"] * is_mixed, f"a job ended {states}")
        self.tally.check(all(item["error"] for item in job["items"] if item["status"] == "failed"), "no reason given")
        await self._fetched(job, wanted)
        if self._random.random() < 0.8:  # the others are left to expire
            answer = await self._http.delete(job["links"]["self"])
            self.tally.check(answer.status_code == 204, f"a finished job could not be removed: {answer.status_code}")

    async def cancelled_job(self) -> None:
        """Send a job and cancel it; one that was done by then is removed, as its client asked."""
        sent = [("files", (image.name, image.content)) for image in self._random.choices(self._good, k=3)]
        job = await self._accepted("cancelled job", sent)
        if job is None:
            return
        await asyncio.sleep(self._random.uniform(0, 1))
        await self._http.delete(job["links"]["self"])
        job = await self._polled(job, is_removed=True)
        states = {item["status"] for item in job["items"]} if job else set()
        self.tally.check(states <= {"done", "cancelled"}, f"a cancelled job ended {states}")

    async def settle(self) -> None:
        """Wait for the jobs that were accepted and not followed to their end."""
        for path in sorted(self.tally.accepted - self.tally.ended):
            await self._polled({"status": "queued", "links": {"self": path}})

    async def _accepted(self, kind: str, sent: list[tuple[str, tuple[str, bytes]]]) -> dict[str, Any] | None:
        answer = await self._http.post("/v1/jobs", files=sent)
        if not self._may_come(kind, answer, 202):
            return None
        self.tally.accepted.add(answer.headers["location"])
        return answer.json()

    async def _followed(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return a job once its events say that it has ended."""
        async with asyncio.timeout(PATIENCE), self._http.stream("GET", job["links"]["events"]) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    job = json.loads(line.removeprefix("data: "))
        self.tally.check(job["status"] not in UNDER_WAY, "the events ended before the job")
        self.tally.ended.add(job["links"]["self"])
        return job

    async def _polled(self, job: dict[str, Any], is_removed: bool = False) -> dict[str, Any] | None:
        """Return a job once it has ended; None if it is there no more, which is right only where `is_removed`."""
        path = job["links"]["self"]
        async with asyncio.timeout(PATIENCE):
            while job["status"] in UNDER_WAY:
                await asyncio.sleep(0.2)
                answer = await self._http.get(path)
                if answer.status_code == 404:
                    self.tally.check(is_removed, "an accepted job was not there any more")
                    self.tally.ended |= {path} if is_removed else set()
                    return None
                job = answer.json()
        self.tally.ended.add(path)
        return job

    async def _fetched(self, job: dict[str, Any], wanted: list[Good]) -> None:
        answer = await self._http.get(job["links"]["result"])
        if not self._may_come("result", answer):
            return
        if len(job["items"]) == 1:
            found = [answer.content]
        else:
            with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
                found = [archive.read(name) for name in archive.namelist() if Path(name).suffix != ".txt"]
        self.tally.check(found == [image.answer for image in wanted], "a job's result is not the command line's")

    def _may_come(self, kind: str, answer: httpx.Response, status: int = 200) -> bool:
        """Note an answer, and return whether it is the one hoped for."""
        self.tally.count(kind, answer)
        self.tally.check(answer.status_code in (status, 429), f"{kind}: {answer.status_code} {answer.text[:200]}")
        return answer.status_code == status

    def _refused(self, kind: str, answer: httpx.Response, statuses: tuple[int, ...], words: str) -> None:
        self.tally.count(kind, answer)
        is_right = answer.status_code in (*statuses, 429) and answer.headers["content-type"] == (
            "application/problem+json"
        )
        self.tally.check(
            is_right and answer.json().keys() >= MEMBERS, f"{words}: {answer.status_code} {answer.text[:200]}"
        )
