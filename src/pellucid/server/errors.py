"""Errors as HTTP responses: each is a problem document (RFC 9457) that names the error and the remedy."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from pellucid.errors import PellucidError
from pellucid.server.filenames import printable
from pellucid.server.workers.tasks import QueueFull, WorkFailed, WorkRefused

MEDIA_TYPE = "application/problem+json"
MEMBERS = {
    "type": {"type": "string", "format": "uri-reference", "examples": ["about:blank"]},
    "title": {"type": "string", "examples": ["Content Too Large"]},
    "status": {"type": "integer", "minimum": 400, "maximum": 599, "examples": [413]},
    "detail": {"type": "string", "examples": ["photo.jpg has 20000x20000 = 400 megapixels, more than the 100 allowed"]},
    "instance": {"type": "string", "description": "The id of the request, as in X-Request-ID."},
}
SCHEMA = {"type": "object", "title": "Problem", "required": list(MEMBERS), "properties": MEMBERS}

log = logging.getLogger(__name__)


class Problem(HTTPException):
    """An error that a client sees as a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Take the content of the document.

        Args:
            status: the HTTP status.
            detail: a sentence with the error and the remedy.
            title: the kind of problem; by default the phrase of the status.
            headers: of the response.
            more: further members of the document.
        """
        super().__init__(status, detail, dict(headers) if headers else None)
        self.title, self.more = title, more


def install(app: FastAPI, routes: Sequence[BaseRoute] = ()) -> None:
    """Turn the errors that routes raise into problem documents; `pellucid.server.security` handles all others.

    Args:
        app: the application.
        routes: all of its routes, for the header Allow.
    """

    async def handle(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if problem.status_code == 405:
            matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
            methods = {method for route in matching for method in getattr(route, "methods", ("GET", "HEAD"))}
            allowed = ", ".join(sorted(methods))
            problem = Problem(405, f"There is no {request.method} here, but {allowed}.", headers={"Allow": allowed})
        return problem_response(problem, getattr(request.state, "request_id", ""))

    for kind in (HTTPException, RequestValidationError, PellucidError):
        app.add_exception_handler(kind, handle)


def problem_response(problem: HTTPException, request_id: str) -> JSONResponse:
    """Return the response for a problem."""
    title = getattr(problem, "title", None) or HTTPStatus(problem.status_code).phrase
    content = {"type": "about:blank", "title": title, "status": problem.status_code, "detail": str(problem.detail)}
    content |= {"instance": request_id} | getattr(problem, "more", {})
    return JSONResponse(content, problem.status_code, problem.headers, MEDIA_TYPE)


def openapi_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return responses with these statuses for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": SCHEMA}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem_of(error: Exception) -> HTTPException:
    """Return the problem that a client sees for an error; unexpected errors are logged."""
    if isinstance(error, HTTPException):
        return error if error.detail != "Not Found" else Problem(404, "There is nothing here: see /openapi.json.")
    if isinstance(error, QueueFull):
        return Problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, WorkRefused | WorkFailed):
        return Problem(error.status, str(error))
    if isinstance(error, PellucidError):
        return Problem(422, str(error))
    if isinstance(error, RequestValidationError):
        return Problem(422, "; ".join(map(_validation_message, error.errors())))
    log.error("a request failed", exc_info=error)
    return Problem(500, "An error in the service, which is in its log: give whoever runs it the instance.")


def _validation_message(error: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"] if part not in ("query", "body", "path"))
    value = error.get("input")
    if name and isinstance(value, str):
        return f"{name} is {printable(value) or 'empty'}: {error['msg']}"
    return f"{name}: {error['msg']}" if name else str(error["msg"])
