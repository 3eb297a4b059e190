"""An image in, the same image without its noise out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from pellucid.server import openapi
from pellucid.server.accept_header import check_accepted
from pellucid.server.disconnect import followed
from pellucid.server.errors import described
from pellucid.server.filenames import disposition, result_name
from pellucid.server.schemas import wishes
from pellucid.server.uploads import admitted, receive
from pellucid.server.workers.tasks import MEDIA_TYPES, Order

CHUNK = 1 << 18

router = APIRouter(tags=["images"])


@router.post(
    "/v1/denoise",
    summary="Denoise an image",
    response_class=StreamingResponse,
    responses=openapi.IMAGE_RESPONSE | described(400, 401, 406, 408, 413, 415, 422, 429, 500, 504, 507),
    openapi_extra={"parameters": openapi.WISHES, "requestBody": openapi.IMAGE_BODY},
)
async def denoise(request: Request) -> StreamingResponse:
    """Return the image in its own format and depth, with its metadata, denoised.

    Camera raw files come back as TIFF, AVIF of more than 8 bits as PNG. If the client goes away, the work stops.
    """
    settings, pool = request.app.state.settings, request.app.state.pool
    check_accepted(request, MEDIA_TYPES.values())
    asked = dict(request.query_params)
    wishes(asked, settings)
    async with admitted(request) as folder:
        received = await receive(request, folder, ("file",), settings.max_bytes)
        wanted = wishes(asked | received.fields, settings)
        (upload,) = received.files
        target = folder / "result"
        order = Order("denoise", upload.path, target, wanted.model, wanted.sigma, wanted.strength, name=upload.name)
        outcome = await followed(request, lambda gone: pool.run(order, cancelled=gone))
        # The open file outlives its name: nothing is left behind, however the sending ends.
        stream = target.open("rb")
    return _response(stream, outcome.facts, upload.name)


def _response(stream: BinaryIO, facts: dict[str, Any], name: str) -> StreamingResponse:
    size = stream.seek(0, 2)
    stream.seek(0)
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": disposition(result_name(name, facts["suffix"])),
        "X-Engine": facts["engine"],
    }
    if facts["sigma"] is not None:
        headers["X-Noise-Level"] = f"{facts['sigma']:.2f}"
    return StreamingResponse(_parts(stream), headers=headers, media_type=facts["media_type"])


async def _parts(stream: BinaryIO) -> AsyncIterator[bytes]:
    with stream:
        while part := await asyncio.to_thread(stream.read, CHUNK):
            yield part
