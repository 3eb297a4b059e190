"""What stands before every request: ids, the token, the host's name, and bounds on how bodies arrive."""

import asyncio
import hmac
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.server.errors import Problem, problem_of, response
from pellucid.server.settings import MEGABYTE, Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
OPEN, STATIC = ("/", "/healthz", "/readyz", "/openapi.json"), "/static/"  # what needs no token
GONE = 499  # what the log calls a request whose client did not wait for the answer
BATCH, FORM = "/v1/jobs", "multipart/"
DRAIN_SECONDS, DRAIN_BYTES = 5.0, 64 * MEGABYTE

log = logging.getLogger("pellucid.access")


class Guard:
    """Wraps an application; what it refuses never gets there."""

    def __init__(self, app: ASGIApp, settings: Settings, note: Callable[[Scope, int, float], None]) -> None:
        """Take the application, the limits, and who is told each request's scope, status and seconds."""
        self._app, self._settings, self._note = app, settings, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        body = Body(receive, self._settings, headers, most_of(scope, headers, self._settings))
        answer = Answer(send, request_id, body)
        try:
            problem = self._refusal(scope, headers) or body.excess
            if problem:
                raise problem
            await self._app(scope, body.receive, answer.send)
        except Exception as error:
            problem = problem_of(error)
            if not answer.status:
                await response(problem, request_id)(scope, body.receive, answer.send)
        finally:
            seconds, status = time.monotonic() - answer.started, answer.status or GONE
            self._note(scope, status, seconds)
            log.info("%s %s %s %.3f s %s", scope["method"], scope["path"], status, seconds, request_id)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        """Return why a request goes no further, or None."""
        if not self._settings.token:
            return _strange_origin(scope, headers, self._settings)
        path = scope["path"].removeprefix(self._settings.root_path)
        if path in OPEN or path.startswith(STATIC):
            return None
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._settings.token.encode()):
            return None
        remedy = "This service asks for a token: send the header Authorization: Bearer TOKEN."
        return Problem(401, remedy, headers={"WWW-Authenticate": 'Bearer realm="pellucid"'})


class Body:
    """A request's body as it arrives: bounded in bytes, in the time between two parts, and in time altogether."""

    def __init__(self, receive: Receive, settings: Settings, headers: Headers, most: int) -> None:
        """Take where it comes from, its bounds, what is announced of it, and the most bytes that it may have."""
        self._receive, self._settings, self._most = receive, settings, most
        announced = headers.get("content-length", "0")
        self._announced = int(announced) if announced.isdecimal() else 0
        self._got = 0
        self._ends, self._is_late = 0.0, False
        self._waits_for_go = "100-continue" in headers.get("expect", "").lower() and self._announced > 0
        self.is_whole = self._announced == 0 and "transfer-encoding" not in headers

    @property
    def excess(self) -> Problem | None:
        """Why it is not wanted, if more is announced than may be."""
        if self._announced <= self._most:
            return None
        return Problem(
            413, f"The body has {self._announced} bytes, more than the {self._most} allowed: send less at once."
        )

    async def receive(self) -> Message:
        """Return the next part.

        Raises:
            Problem: 413 if there is more than may be, 408 if it does not come.
        """
        if self.is_whole:
            return await self._receive()
        # A batch has the time that its images would have one by one.
        share = max(1.0, self._announced / self._settings.max_bytes)
        message = await self._next(self._settings.idle_timeout, share * self._settings.body_timeout)
        if self._got > self._most:
            raise Problem(
                413,
                f"The body has more than the {self._most} bytes allowed: send less at once, or a job's images with a "
                "Content-Length.",
            )
        return message

    async def drain(self) -> None:
        """Take what is still on its way, within bounds: a client that is still sending does not read the answer."""
        if self._waits_for_go or self._is_late:
            return
        most = self._got + DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.is_whole and self._got <= most:
                    self._note(await self._receive())

    async def _next(self, idle: float, whole: float) -> Message:
        now = time.monotonic()
        self._ends = self._ends or now + whole
        try:
            async with asyncio.timeout(min(idle, self._ends - now)):
                message = await self._receive()
        except TimeoutError:
            self._is_late = True
            raise Problem(408, "The body did not arrive in time: send it faster, or less at once.") from None
        self._note(message)
        return message

    def _note(self, message: Message) -> None:
        self._waits_for_go = False
        self._got += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            self.is_whole = True


class Answer:
    """A response as it goes out, with the headers that all have.

    Attributes:
        started: when the request came.
        status: of the response; 0 while there is none.
    """

    def __init__(self, send: Send, request_id: str, body: Body) -> None:
        """Take where it goes, the request's id, and its body."""
        self._send, self._request_id, self._body = send, request_id, body
        self.started, self.status = time.monotonic(), 0

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send the next part."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Cache-Control", "no-store")
            if not self._body.is_whole:
                await self._body.drain()
            if not self._body.is_whole:
                headers["Connection"] = "close"
        await self._send(message)


def most_of(scope: Scope, headers: Headers, settings: Settings) -> int:
    """Return the most bytes that a request's body may have.

    A form with many images may have more than one image, if it says how much is coming: there has to be room for it.
    """
    is_form = headers.get("content-type", "").lower().startswith(FORM)
    is_announced = headers.get("content-length", "").isdecimal()
    is_batch = scope["path"].removeprefix(settings.root_path) == BATCH and is_form and is_announced
    return settings.max_batch_bytes if is_batch else settings.max_bytes


def _strange_origin(scope: Scope, headers: Headers, settings: Settings) -> Problem | None:
    """Return why a request without a token is none of the user's own: a page from elsewhere had the browser send it.

    Such a page may point a name of its own at this machine (DNS rebinding), or post without reading the answer.
    """
    follows_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    if headers.get("sec-fetch-site") == "cross-site" and not follows_link:
        return Problem(403, "Pages of other sites may not use this service: open its own page.")
    address, bracket, rest = headers.get("host", "").rpartition("]")
    host = address + bracket or rest.partition(":")[0]
    if not _is_loopback(settings.host) or _is_own(host) or host.lower() in settings.allow_hosts:
        return None
    return Problem(421, f"This service does not go by the name {host}: start it with --allow-host {host}, or a token.")


def _is_own(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host in ("", "localhost") or host.endswith(".localhost")
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
