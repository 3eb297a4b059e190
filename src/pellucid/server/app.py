"""The application: what is started with it, what stands before each request, and the routes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pellucid import __version__
from pellucid.server import errors, openapi
from pellucid.server.api import classify, denoise, health, jobs, models, page
from pellucid.server.jobs.files import Spool
from pellucid.server.jobs.queue import Jobs
from pellucid.server.metrics import Metrics
from pellucid.server.security import Guard
from pellucid.server.settings import Settings
from pellucid.server.workers.pool import Pool

SUMMARY = "Take the noise out of images."
DESCRIPTION = """Send an image, and it comes back without its noise: in its own format, depth and size, with its alpha
channel, colour profile, EXIF block and resolution. Long work goes into jobs, which are followed and fetched later.

Errors are problem documents (RFC 9457). Noise levels (`sigma`) are standard deviations, white being 255."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application; its lifespan starts the workers and the jobs, and stops them.

    `app.state` holds `settings`, `metrics` and, while it runs, `spool`, `pool` and `jobs`.
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
        lifespan=_running,
    )
    app.state.settings, app.state.metrics = settings, Metrics()
    routers = [part.router for part in (denoise, classify, jobs, models, health, page)]
    for router in routers:
        app.include_router(router)
    errors.install(app, [route for router in routers for route in router.routes])
    openapi.install(app, {"denoisers": list(settings.denoisers), "readers": list(settings.readers)})
    app.add_middleware(Guard, settings=settings, note=app.state.metrics.note_request)
    return app


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """Hold the spool, and start and stop what works; what waits is kept, what runs finishes in the time it has."""
    settings, metrics = app.state.settings, app.state.metrics
    spool = app.state.spool = Spool(settings.spool)
    with spool.held():
        pool = app.state.pool = Pool(settings, metrics.note_order)
        metrics.watch(pool)
        await pool.start()
        jobs = app.state.jobs = Jobs(settings, spool, pool)
        try:
            await jobs.start()
            metrics.gauge("pellucid_jobs_waiting", "Images of jobs that wait for their turn.", lambda: jobs.waiting)
            metrics.gauge("pellucid_spool_bytes", "Bytes of the uploads and results of jobs.", lambda: jobs.used)
            yield
        finally:
            jobs.close()
            await pool.stop()
            await jobs.stop()
