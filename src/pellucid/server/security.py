"""Middleware before every request: request ids, the token, the host name, and limits on how bodies arrive."""

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

from pellucid.server.errors import Problem, problem_of, problem_response
from pellucid.server.settings import MEGABYTE, Settings

REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
PUBLIC_PATHS, STATIC_PREFIX = ("/", "/healthz", "/readyz", "/openapi.json"), "/static/"  # need no token
CLIENT_CLOSED_REQUEST = 499  # in the log, for a client that did not wait for the response
BATCH, FORM = "/v1/jobs", "multipart/"
DRAIN_SECONDS, DRAIN_BYTES = 5.0, 64 * MEGABYTE

log = logging.getLogger("pellucid.access")


class SecurityMiddleware:
    """Wraps an application; requests that it refuses do not reach the application."""

    def __init__(self, app: ASGIApp, settings: Settings, on_response: Callable[[Scope, int, float], None]) -> None:
        """Take the application and the limits.

        Args:
            app: the application.
            settings: of the service.
            on_response: called with the scope, status and seconds of each request.
        """
        self._app, self._settings, self._on_response = app, settings, on_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent_id = headers.get("x-request-id", "")
        request_id = sent_id if REQUEST_ID.fullmatch(sent_id) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        body = RequestBody(receive, self._settings, headers, max_body_bytes(scope, headers, self._settings))
        sender = ResponseSender(send, request_id, body)
        try:
            problem = self._access_error(scope, headers) or body.size_error
            if problem:
                raise problem
            await self._app(scope, body.receive, sender.send)
        except Exception as error:
            problem = problem_of(error)
            if not sender.status:
                await problem_response(problem, request_id)(scope, body.receive, sender.send)
        finally:
            seconds, status = time.monotonic() - sender.started, sender.status or CLIENT_CLOSED_REQUEST
            self._on_response(scope, status, seconds)
            log.info("%s %s %s %.3f s %s", scope["method"], scope["path"], status, seconds, request_id)

    def _access_error(self, scope: Scope, headers: Headers) -> Problem | None:
        """Return why a request is not allowed, or None."""
        if not self._settings.token:
            return _foreign_origin(scope, headers, self._settings)
        path = scope["path"].removeprefix(self._settings.root_path)
        if path in PUBLIC_PATHS or path.startswith(STATIC_PREFIX):
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._settings.token.encode()):
            return None
        remedy = "This service needs a token: send the header Authorization: Bearer TOKEN."
        return Problem(401, remedy, headers={"WWW-Authenticate": 'Bearer realm="pellucid"'})


class RequestBody:
    """The body of a request as it arrives, with limits on its bytes, the time between two parts, and its whole time.

    Attributes:
        is_complete: whether all of it has arrived, or there is none.
    """

    def __init__(self, receive: Receive, settings: Settings, headers: Headers, max_bytes: int) -> None:
        """Take the ASGI function, the limits, and the headers of the request."""
        self._receive, self._settings, self._max_bytes = receive, settings, max_bytes
        length = headers.get("content-length", "0")
        self._content_length = int(length) if length.isdecimal() else 0
        self._received = 0
        self._deadline, self._has_timed_out = 0.0, False
        self._expects_continue = "100-continue" in headers.get("expect", "").lower() and self._content_length > 0
        self.is_complete = self._content_length == 0 and "transfer-encoding" not in headers

    @property
    def size_error(self) -> Problem | None:
        """A problem if the announced length is above the limit, else None."""
        if self._content_length <= self._max_bytes:
            return None
        limit = f"more than the {self._max_bytes} allowed"
        return Problem(413, f"The body has {self._content_length} bytes, {limit}: send less at once.")

    async def receive(self) -> Message:
        """Return the next part.

        Raises:
            Problem: 413 if the body is too large, 408 if the part does not arrive in time.
        """
        if self.is_complete:
            return await self._receive()
        # A batch has as much time as its images would have one by one.
        num_images = max(1.0, self._content_length / self._settings.max_bytes)
        message = await self._next(self._settings.idle_timeout, num_images * self._settings.body_timeout)
        if self._received > self._max_bytes:
            raise Problem(
                413,
                f"The body has more than the {self._max_bytes} bytes allowed: send less at once, or a job's images "
                "with a Content-Length.",
            )
        return message

    async def drain(self) -> None:
        """Read the rest of the body, within limits: a client that is still sending does not read the response."""
        if self._expects_continue or self._has_timed_out:
            return
        max_bytes = self._received + DRAIN_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.is_complete and self._received <= max_bytes:
                    self._count(await self._receive())

    async def _next(self, idle_seconds: float, body_seconds: float) -> Message:
        now = time.monotonic()
        self._deadline = self._deadline or now + body_seconds
        try:
            async with asyncio.timeout(min(idle_seconds, self._deadline - now)):
                message = await self._receive()
        except TimeoutError:
            self._has_timed_out = True
            raise Problem(408, "The body did not arrive in time: send it faster, or less at once.") from None
        self._count(message)
        return message

    def _count(self, message: Message) -> None:
        self._expects_continue = False
        self._received += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            self.is_complete = True


class ResponseSender:
    """Sends a response with the headers that all responses have.

    Attributes:
        started: when the request arrived, by the monotonic clock.
        status: of the response; 0 until it is sent.
    """

    def __init__(self, send: Send, request_id: str, body: RequestBody) -> None:
        """Take the ASGI function, the request's id, and its body."""
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
            if not self._body.is_complete:
                await self._body.drain()
            if not self._body.is_complete:
                headers["Connection"] = "close"
        await self._send(message)


def max_body_bytes(scope: Scope, headers: Headers, settings: Settings) -> int:
    """Return the limit for the body of a request.

    A form with the images of a job may be larger than one image if its length is announced, so that space can be
    reserved for it.
    """
    is_form = headers.get("content-type", "").lower().startswith(FORM)
    has_length = headers.get("content-length", "").isdecimal()
    is_batch = scope["path"].removeprefix(settings.root_path) == BATCH and is_form and has_length
    return settings.max_batch_bytes if is_batch else settings.max_bytes


def _foreign_origin(scope: Scope, headers: Headers, settings: Settings) -> Problem | None:
    """Return a problem if another site made the browser send a request to a service without a token.

    Such a site may resolve a name of its own to this machine (DNS rebinding), or post without reading the response.
    """
    follows_link = headers.get("sec-fetch-mode") == "navigate" and scope["method"] == "GET"
    if headers.get("sec-fetch-site") == "cross-site" and not follows_link:
        return Problem(403, "Pages of other sites may not use this service: open its own page.")
    address, bracket, remainder = headers.get("host", "").rpartition("]")
    host = address + bracket or remainder.partition(":")[0]
    if not _is_loopback(settings.host) or _is_local(host) or host.lower() in settings.allow_hosts:
        return None
    return Problem(421, f"This service is not called {host}: start it with --allow-host {host}, or a token.")


def _is_local(host: str) -> bool:
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
