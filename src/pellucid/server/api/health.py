"""For whoever looks after the service: whether it lives, whether it can work, what it has done."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from pellucid.server.errors import Problem, described
from pellucid.server.metrics import MEDIA_TYPE


class Health(BaseModel):
    """How it is."""

    status: str


router = APIRouter(tags=["service"])


@router.get("/healthz", summary="Say whether the process lives")
async def healthz() -> Health:
    """Answer, whatever the workers are doing."""
    return Health(status="alive")


@router.get("/readyz", summary="Say whether there is a worker and room in the line", responses=described(503))
async def readyz(request: Request) -> Health:
    """Answer 200 if an image sent now would be worked on."""
    pool = request.app.state.pool
    if not pool.up:
        raise Problem(503, "No worker is up.", headers={"Retry-After": "1"})
    if pool.is_full:
        raise Problem(503, "The line is full.", headers={"Retry-After": str(pool.retry_after)})
    if not request.app.state.jobs.works:
        raise Problem(503, "Jobs are not worked on: see what the service noted.")
    return Health(status="ready")


@router.get(
    "/metrics",
    summary="Show the counters, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}} | described(401),
)
async def metrics(request: Request) -> Response:
    """Return the counters in Prometheus's text format."""
    await request.app.state.jobs.count()
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)
