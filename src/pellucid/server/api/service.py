"""Routes about the service: available models, health, metrics."""

import functools
from typing import Any

from fastapi import APIRouter, Request, Response

from pellucid.server.errors import Problem, openapi_problems
from pellucid.server.metrics import MEDIA_TYPE
from pellucid.server.schemas import ClassifierInfo, DenoiserInfo, Health, ModelList
from pellucid.server.workers.tasks import MEDIA_TYPES
from pellucid.weights import catalog

LIMITS = ("max_bytes", "max_batch_bytes", "max_pixels", "max_frames", "max_files", "time_limit")

router = APIRouter(tags=["service"])


@router.get("/v1/models", summary="List the available models", responses=openapi_problems(401))
def models(request: Request) -> ModelList:
    """Return the denoisers, the classifiers, the supported formats, and the limits of a request."""
    settings, available = request.app.state.settings, request.app.state.pool.available_models
    denoisers = [
        DenoiserInfo(name=name, default=not position, **available["denoisers"][name], **_card(model))
        for position, (name, model) in enumerate(settings.denoisers.items())
    ]
    classifiers = [
        ClassifierInfo(name=name, **available["classifiers"][name], sha256={path.name: _sha256(path)})
        for name, path in settings.classifiers_by_name.items()
    ]
    limits = {name: getattr(settings, name) for name in LIMITS}
    return ModelList(denoisers=denoisers, classifiers=classifiers, formats=list(MEDIA_TYPES), limits=limits)


@router.get("/healthz", summary="Check that the process is alive")
async def healthz() -> Health:
    """Respond, whatever the workers are doing."""
    return Health(status="alive")


@router.get("/readyz", summary="Check that there is a worker and space in the queue", responses=openapi_problems(503))
async def readyz(request: Request) -> Health:
    """Respond with 200 if an image sent now would be processed."""
    pool = request.app.state.pool
    if not pool.num_alive:
        raise Problem(503, "No worker is alive.", headers={"Retry-After": "1"})
    if pool.is_full:
        raise Problem(503, "The queue is full.", headers={"Retry-After": str(pool.retry_after)})
    if not request.app.state.jobs.is_running:
        raise Problem(503, "Jobs are not run: see the log of the service.")
    return Health(status="ready")


@router.get(
    "/metrics",
    summary="Return the metrics, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | openapi_problems(401),
)
async def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus's text format."""
    await request.app.state.jobs.update_counts()
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)


@functools.cache
def _card(model: str) -> dict[str, Any]:
    """Return the parts of a denoiser's description that come from its files."""
    if model == catalog.SELF_TRAINED:
        summary = "trains on each image itself, for most of a minute"
        return {"summary": summary, "license": None, "sha256": {}, "card": None}
    found = catalog.find(model)
    if found.card is None:
        digests = {path.name: _sha256(path) for path in found.files}
        return {"summary": "", "license": None, "sha256": digests, "card": None}
    card = {key: value for key, value in found.card.items() if key != "sha256"}
    return {"summary": card["summary"], "license": card["license"], "sha256": found.card["sha256"], "card": card}


_sha256 = functools.cache(catalog.digest)
