"""The application: its routes, middleware, page, and what starts and stops with it."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from pellucid import __version__
from pellucid.server import errors, openapi
from pellucid.server.api import images, jobs, service
from pellucid.server.jobs.files import JobFiles
from pellucid.server.jobs.queue import Jobs
from pellucid.server.metrics import Metrics
from pellucid.server.security import SecurityMiddleware
from pellucid.server.settings import Settings
from pellucid.server.workers.pool import Pool

SUMMARY = "Remove the noise from images."
DESCRIPTION = """Send an image, and receive it without its noise: in its own format, depth and size, with its alpha
channel, color profile, EXIF block and resolution. For long work there are jobs, which are followed and fetched later.

Errors are problem documents (RFC 9457). Noise levels (`sigma`) are standard deviations, white being 255."""

PACKAGE = Path(__file__).parents[1]
PAGE = PACKAGE / "server" / "page"
INDEX, EXAMPLE = "index.html", "example.jpg"
EXAMPLE_FILE = PACKAGE / "samples" / "mountains.jpg"
PAGE_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
# A browser may load these files and send requests to this service, and nothing else.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Settings) -> FastAPI:
    """Return the application; its lifespan starts and stops the workers and the jobs.

    `app.state` holds `settings`, `metrics` and, while it runs, `files`, `pool` and `jobs`.
    """
    app = FastAPI(
        title="Pellucid",
        summary=SUMMARY,
        description=DESCRIPTION,
        version=__version__,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        root_path=settings.root_path,
        lifespan=_lifespan,
    )
    app.state.settings, app.state.metrics = settings, Metrics()
    routers = [part.router for part in (images, jobs, service)]
    for router in routers:
        app.include_router(router)
    add_page(app)
    routes = [route for part in (app, *routers) for route in part.routes if isinstance(route, Route | Mount)]
    errors.install(app, routes)
    openapi.install(app, {"denoisers": list(settings.denoisers), "classifiers": list(settings.classifiers_by_name)})
    app.add_middleware(SecurityMiddleware, settings=settings, on_response=app.state.metrics.count_request)
    return app


def add_page(app: FastAPI) -> None:
    """Add the page at / and its files below /static."""
    files = PageFiles(directory=PAGE, follow_symlink=True)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def index(request: Request) -> Response:
        """Return the page."""
        return files.file_response(PAGE / INDEX, (PAGE / INDEX).stat(), request.scope)

    app.mount("/static", files)


class PageFiles(StaticFiles):
    """The files of the page, with a content security policy and tags of their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or raise 404: the page itself is only at /."""
        if path == INDEX or scope["path"].endswith("/"):
            raise HTTPException(404)
        return await super().get_response(path, scope)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return the path and state of a file; the example is one of the package's samples."""
        if path == EXAMPLE:
            return str(EXAMPLE_FILE), EXAMPLE_FILE.stat()
        return super().lookup_path(path)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return a file, or 304 if the client has it already."""
        headers = PAGE_HEADERS | {"ETag": _content_tag(str(full_path))}
        media_type = PAGE_MEDIA_TYPES[Path(full_path).suffix]
        response = FileResponse(full_path, status_code, headers, media_type, stat_result=stat_result)
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


@cache
def _content_tag(path: str) -> str:
    """Return an ETag of the content: starlette's is made of time and size, which can be the same in two releases."""
    return f'"{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:20]}"'


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Lock the spool, start the workers and jobs, and stop them; queued items are kept for the next start."""
    settings, metrics = app.state.settings, app.state.metrics
    files = app.state.files = JobFiles(settings.spool)
    with files.locked():
        pool = app.state.pool = Pool(settings, metrics.count_work)
        metrics.add_pool(pool)
        await pool.start()
        jobs = app.state.jobs = Jobs(settings, files, pool)
        try:
            await jobs.start()
            metrics.gauge("pellucid_jobs_waiting", "Queued images of jobs.", lambda: jobs.waiting)
            metrics.gauge("pellucid_spool_bytes", "Bytes of the uploads and results of jobs.", lambda: jobs.used)
            yield
        finally:
            jobs.close()
            await pool.stop()
            await jobs.stop()
