"""The page: a few static files, under a policy that lets a browser load these and talk to this service alone."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

PACKAGE = Path(__file__).parents[2]
FOLDER = PACKAGE / "server" / "page"
INDEX = "index.html"
SCRIPTS = ("api", "app", "intake", "panel", "pictures", "strip", "telling", "viewer")
# What is asked for is looked up here, so no name from a client becomes a path.
MEDIA_TYPES = {
    INDEX: "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **{f"{name}.js": "text/javascript; charset=utf-8" for name in SCRIPTS},
    "example.jpg": "image/jpeg",
}
ELSEWHERE = {"example.jpg": PACKAGE / "samples" / "mountains.jpg"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
def index(request: Request) -> Response:
    """Answer with the page."""
    return _file(INDEX, request)


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
def static(name: str, request: Request) -> Response:
    """Answer with one of the page's files.

    Raises:
        HTTPException: 404 for any other name.
    """
    if name == INDEX or name not in MEDIA_TYPES:
        raise HTTPException(404, "The page has no file of this name.")
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    content, tag = _content(name)
    headers = HEADERS | {"ETag": tag}
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name])


@cache
def _content(name: str) -> tuple[bytes, str]:
    content = ELSEWHERE.get(name, FOLDER / name).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:20]}"'
