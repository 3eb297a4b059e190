"""Errors as HTTP has them: every one is a problem document (RFC 9457) that says what is wrong and what to do."""

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
from pellucid.server.workers.tasks import Busy, Failed, Refused

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
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        status: int,
        detail: str,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Take what the document says.

        Args:
            status: the HTTP status.
            detail: what is wrong and what to do, in a sentence.
            title: the kind of problem; by default the status in words.
            headers: of the response.
            more: further members of the document.
        """
        super().__init__(status, detail, dict(headers) if headers else None)
        self.title, self.more = title, more


def install(app: FastAPI, routes: Sequence[BaseRoute] = ()) -> None:
    """Have the errors that routes raise come out as problem documents; `pellucid.server.security` answers the rest.

    Args:
        app: the application.
        routes: all that it has, by which a method that is not there is answered with those that are.
    """

    async def answered(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        if problem.status_code == 405:
            matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
            methods = ", ".join(sorted({method for route in matching for method in getattr(route, "methods", ())}))
            problem = Problem(405, f"There is no {request.method} here, but {methods}.", headers={"Allow": methods})
        return response(problem, getattr(request.state, "request_id", ""))

    for kind in (HTTPException, RequestValidationError, PellucidError):
        app.add_exception_handler(kind, answered)


def response(problem: HTTPException, request_id: str) -> JSONResponse:
    """Return the response for a problem."""
    title = getattr(problem, "title", None) or HTTPStatus(problem.status_code).phrase
    content = {"type": "about:blank", "title": title, "status": problem.status_code, "detail": str(problem.detail)}
    content |= {"instance": request_id} | getattr(problem, "more", {})
    return JSONResponse(content, problem.status_code, problem.headers, MEDIA_TYPE)


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an OpenAPI document says of responses with these statuses."""
    content = {MEDIA_TYPE: {"schema": SCHEMA}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def problem_of(error: Exception) -> HTTPException:
    """Return the problem that an error is to a client."""
    if isinstance(error, HTTPException):
        return error if error.detail != "Not Found" else Problem(404, "There is nothing here: see /openapi.json.")
    if isinstance(error, Busy):
        return Problem(429, str(error), headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, Refused | Failed):
        return Problem(error.status, str(error))
    if isinstance(error, PellucidError):
        return Problem(422, str(error))
    if isinstance(error, RequestValidationError):
        return Problem(422, "; ".join(map(_in_words, error.errors())))
    log.error("a request failed", exc_info=error)
    return Problem(500, "The service failed at it, and has noted why: tell whoever runs it the instance.")


def _in_words(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"] if part not in ("query", "body", "path"))
    return f"{place}: {error['msg']}" if place else str(error["msg"])
