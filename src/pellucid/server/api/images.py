"""Routes for one image at a time: denoise it, or classify it."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from pellucid.server import openapi
from pellucid.server.errors import Problem, openapi_problems
from pellucid.server.filenames import disposition, result_name
from pellucid.server.schemas import (
    ClassifyOptions,
    DenoiseOptions,
    check_available,
    job_options,
    merge_options,
    unit_sigma,
)
from pellucid.server.uploads import admit, receive
from pellucid.server.workers.tasks import MEDIA_TYPES, Cancelled, WorkRequest, WorkResult

JSON = "application/json"
CHUNK = 1 << 18

router = APIRouter(tags=["images"])


@router.post(
    "/v1/denoise",
    summary="Denoise an image",
    response_class=StreamingResponse,
    responses=openapi.IMAGE_RESPONSE | openapi_problems(400, 401, 406, 408, 413, 415, 422, 429, 500, 504, 507),
    openapi_extra={"requestBody": openapi.DENOISE_BODY},
)
async def denoise(request: Request, query: Annotated[DenoiseOptions, Query()]) -> StreamingResponse:
    """Return the image in its own format and depth, with its metadata, denoised.

    Camera raw files come back as TIFF, AVIF of more than 8 bits as PNG. If the client disconnects, the work stops.
    """
    settings = request.app.state.settings
    check_accepted(request, MEDIA_TYPES.values())
    job_options(query, settings)
    async with admit(request) as folder:
        received = await receive(request, folder, ("file",), settings.max_bytes)
        options = job_options(merge_options(query, received.fields), settings)
        (upload,) = received.files
        target = folder / "result"
        work_request = WorkRequest(
            "denoise", upload.path, target, options.model, options.sigma, options.strength, name=upload.name
        )
        result = await run_until_disconnect(request, work_request)
        # The file is open when its folder is removed, so that nothing is left on the disk however the response ends.
        stream = target.open("rb")
    return _image_response(stream, result.metadata, upload.name)


@router.post(
    "/v1/classify",
    summary="Classify an image",
    responses=openapi.CLASSIFY_RESPONSE | openapi_problems(400, 401, 404, 406, 408, 413, 415, 422, 429, 500, 504, 507),
    openapi_extra={"requestBody": openapi.CLASSIFY_BODY},
)
async def classify(request: Request, query: Annotated[ClassifyOptions, Query()]) -> dict[str, Any]:
    """Return the label and the probability of each class; of a stack, those of its first page."""
    settings = request.app.state.settings
    classifiers = settings.classifiers_by_name
    check_accepted(request, [JSON])
    if not classifiers:
        raise Problem(404, "This service has no classifier: start it with --classifier FILE.")
    async with admit(request) as folder:
        received = await receive(request, folder, ("file",), settings.max_bytes)
        options = merge_options(query, received.fields)
        (upload,) = received.files
        work_request = WorkRequest(
            "classify",
            upload.path,
            model=check_available("denoise", options.denoise, settings.denoisers) if options.denoise else "",
            sigma=unit_sigma(options.sigma_255),
            strength=options.strength,
            classifier=check_available("model", options.model or next(iter(classifiers)), classifiers),
            name=upload.name,
        )
        result = await run_until_disconnect(request, work_request)
    labels, scores = result.metadata["labels"], result.metadata["scores"]
    predictions = {version: {"label": labels[version], "scores": scores[version]} for version in labels}
    response = {"model": work_request.classifier} | predictions["before"]
    return response | {"denoised": predictions["after"]} if "after" in predictions else response


async def run_until_disconnect(request: Request, work_request: WorkRequest) -> WorkResult:
    """Run a work request on the pool; it is cancelled when the client disconnects.

    Raises:
        ClientDisconnect: if the client disconnected.
    """
    disconnected = asyncio.Event()

    async def wait_for_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        disconnected.set()

    waiting = asyncio.create_task(wait_for_disconnect())
    try:
        return await request.app.state.pool.run(work_request, cancelled=disconnected)
    except Cancelled as error:
        raise ClientDisconnect from error
    finally:
        waiting.cancel()


def check_accepted(request: Request, media_types: Collection[str]) -> None:
    """Raise Problem, 406, if the client accepts none of the media types that the response may have."""
    header = ",".join(request.headers.getlist("accept"))
    if header.strip() and not any(accepts(header, media_type) for media_type in media_types):
        types = ", ".join(sorted(media_types))
        raise Problem(406, f"The response is one of {types}: accept that, or send no Accept.")


def accepts(header: str, media_type: str) -> bool:
    """Return whether a header Accept allows a media type; its most specific range decides (RFC 9110, 12.5.1)."""
    main_type = media_type.partition("/")[0]
    weights = {}
    for entry in header.lower().split(","):
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        quality = next((part[2:].strip() for part in parameters if part.startswith("q=")), "1")
        weights[media_range] = _quality(quality)
    return next((weights[name] > 0 for name in (media_type, f"{main_type}/*", "*/*") if name in weights), False)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _image_response(stream: BinaryIO, metadata: dict[str, Any], name: str) -> StreamingResponse:
    size = stream.seek(0, 2)
    stream.seek(0)
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": disposition(result_name(name, metadata["suffix"])),
        "X-Engine": metadata["engine"],
    }
    if metadata["sigma_255"] is not None:
        headers["X-Noise-Level"] = f"{metadata['sigma_255']:.2f}"
    return StreamingResponse(_chunks(stream), headers=headers, media_type=metadata["media_type"])


async def _chunks(stream: BinaryIO) -> AsyncIterator[bytes]:
    with stream:
        while chunk := await asyncio.to_thread(stream.read, CHUNK):
            yield chunk
