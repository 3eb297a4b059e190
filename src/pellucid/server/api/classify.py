"""What a classifier sees in an image, and what in the same denoised."""

from typing import Any

from fastapi import APIRouter, Request

from pellucid.server import openapi
from pellucid.server.accept_header import check_accepted
from pellucid.server.disconnect import followed
from pellucid.server.errors import Problem, described
from pellucid.server.schemas import chosen, wishes
from pellucid.server.uploads import admitted, receive
from pellucid.server.workers.tasks import Order

JSON = "application/json"
SEEN = {
    "type": "object",
    "required": ["label", "scores"],
    "properties": {
        "label": {"type": "string"},
        "scores": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
    },
}
ANSWER = {
    "type": "object",
    "required": ["model", "label", "scores"],
    "properties": {
        "model": {"type": "string"},
        **SEEN["properties"],
        "denoised": SEEN | {"description": "What is seen in the image denoised, if that was asked for."},
    },
}
EXAMPLE = {"model": "digits", "label": "7", "scores": {"1": 0.02, "7": 0.98}}
PARAMETERS = [
    openapi.parameter(
        "model", {"type": "string"}, "One of the classifiers of /v1/models; by default the first.", "digits"
    ),
    openapi.parameter(
        "denoise", {"type": "string"}, "A denoiser: also say what is seen in the image denoised.", "photo"
    ),
    *openapi.WISHES[1:],
]

router = APIRouter(tags=["images"])


@router.post(
    "/v1/classify",
    summary="Say what is in an image",
    responses={200: {"description": "What is seen.", "content": {JSON: {"schema": ANSWER, "example": EXAMPLE}}}}
    | described(400, 401, 404, 406, 408, 413, 415, 422, 429, 500, 504, 507),
    openapi_extra={
        "parameters": PARAMETERS,
        "requestBody": openapi.body({"model": openapi.CLASSIFIER, "denoise": openapi.DENOISER}),
    },
)
async def classify(request: Request) -> dict[str, Any]:
    """Return the label and the probability of each class; of a stack, of its first page."""
    settings, pool = request.app.state.settings, request.app.state.pool
    check_accepted(request, [JSON])
    if not settings.readers:
        raise Problem(404, "This service has no classifier: start it with --classifier FILE.")
    async with admitted(request) as folder:
        received = await receive(request, folder, ("file",), settings.max_bytes)
        asked = dict(request.query_params) | received.fields
        model = chosen("model", asked.pop("model", "") or next(iter(settings.readers)), settings.readers)
        denoiser = chosen("denoise", asked["denoise"], settings.denoisers) if asked.get("denoise") else ""
        wanted = wishes(asked, settings)
        (upload,) = received.files
        options = {"sigma": wanted.sigma, "strength": wanted.strength, "classifier": model, "name": upload.name}
        order = Order("classify", upload.path, model=denoiser, **options)
        outcome = await followed(request, lambda gone: pool.run(order, cancelled=gone))
    labels, scores = outcome.facts["labels"], outcome.facts["scores"]
    seen = {version: {"label": labels[version], "scores": scores[version]} for version in labels}
    answer = {"model": model} | seen["before"]
    return answer | {"denoised": seen["after"]} if "after" in seen else answer
