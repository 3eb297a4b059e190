"""Jobs: many images, or one that takes long, whose result is followed and fetched later."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi import Path as FromPath
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from pellucid.server import openapi_jobs, uploads
from pellucid.server.errors import Problem, described
from pellucid.server.filenames import disposition, result_name
from pellucid.server.jobs.database import Item, Job
from pellucid.server.jobs.disk_quota import Room
from pellucid.server.jobs.files import NAME, RESULT, find
from pellucid.server.jobs.queue import Jobs
from pellucid.server.reference_matching import paired
from pellucid.server.responses import WHITE, JobView, view
from pellucid.server.schemas import wishes
from pellucid.server.settings import Settings
from pellucid.server.zip_stream import zipped

FILES, REFERENCES = "files", "references"
ARCHIVE, FAILURES = "denoised.zip", "failed.txt"
GONE = "There is no such job: it has expired, or was removed."
EVENTS = "text/event-stream"
MOST_FORM = 65_536

JobId = Annotated[str, FromPath(alias="id", description="From the answer that accepted the job.")]
Number = Annotated[int, FromPath(ge=1, le=1_000_000)]
Kind = Literal["result", "before", "after", "difference"]

router = APIRouter(tags=["jobs"])
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobView,
        "description": "Accepted: it will be done, or fail with a reason, also if the service is restarted.",
        "headers": {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Accept images to be denoised",
    response_class=Response,
    responses=ACCEPTED | described(400, 401, 408, 413, 415, 422, 429, 500, 507),
    openapi_extra={"parameters": openapi_jobs.WISHES, "requestBody": openapi_jobs.BODY},
)
async def accept(request: Request) -> Response:
    """Take images, and answer at once: the work goes on by itself.

    References, clean images to compare with, belong to the images with the same names but for the suffix; with other
    names, and as many of them as there are images, to those in the same order. Of several images, one that is of no
    format that is supported has failed from the start, and the others are denoised.
    """
    settings, _, jobs = _state(request)
    asked = dict(request.query_params)
    wishes(asked, settings)
    await jobs.check_line()
    async with uploads.made_room(request) as folder:
        fields, most = (FILES, REFERENCES), 2 * settings.max_files
        received = await uploads.receive(request, folder, fields, settings.max_bytes, most)
        wanted = wishes(asked | received.fields, settings)
        files = [upload for upload in received.files if upload.field != REFERENCES]
        references = [upload for upload in received.files if upload.field == REFERENCES]
        if len(files) > settings.max_files:
            raise Problem(413, f"There are {len(files)} images, more than the {settings.max_files} allowed in a job.")
        job = await jobs.accept(wanted, paired(files, references))
    return _answer(request, job, 202)


@router.get("/v1/jobs/{id}", summary="How far a job is", responses=described(401, 404, 422), response_model=JobView)
async def show(id: JobId, request: Request) -> Response:
    """Return a job as it stands."""
    return _answer(request, await _job(request, id))


@router.delete("/v1/jobs/{id}", status_code=204, summary="Cancel or remove a job", responses=described(401, 404, 422))
async def delete(id: JobId, request: Request) -> Response:
    """Stop a job that is not finished, or remove one that is, with its files."""
    jobs = _state(request)[2]
    job = await _job(request, id)
    if job.finished is None:
        await jobs.cancel(id)
    elif not await jobs.remove(id):
        raise Problem(404, GONE)
    return Response(status_code=204)


@router.post(
    "/v1/jobs/{id}/again",
    status_code=202,
    summary="Accept the same images with other options",
    response_class=Response,
    responses=ACCEPTED | described(400, 401, 404, 413, 422, 429, 507),
    openapi_extra={"requestBody": openapi_jobs.AGAIN_BODY},
)
async def again(id: JobId, request: Request) -> Response:
    """Make a new job of a job's images, which need not be sent again; what is left out stays as it was."""
    settings, _, jobs = _state(request)
    before = (await _job(request, id)).options
    asked = {"model": before.model, "strength": str(before.strength), "classifier": before.classifier or ""}
    asked["sigma"] = "auto" if before.sigma is None else str(WHITE * before.sigma)
    job = await jobs.again(id, wishes(asked | await _fields(request), settings))
    if job is None:
        raise Problem(404, GONE)
    return _answer(request, job, 202)


@router.get(
    "/v1/jobs/{id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: {"description": "Events called job.", "content": {EVENTS: {}}}} | described(401, 404, 422),
)
async def events(id: JobId, request: Request) -> StreamingResponse:
    """Send the job as server-sent events (`event: job`) at each change, until it is finished."""
    await _job(request, id)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, id), headers=headers, media_type=EVENTS)


@router.get(
    "/v1/jobs/{id}/result",
    summary="Fetch a job's result",
    response_class=Response,
    responses=openapi_jobs.files("application/zip") | described(401, 404, 409, 422),
)
async def result(id: JobId, request: Request) -> Response:
    """Return the image, or a ZIP of all that are done; what failed is told in it."""
    _, spool, jobs = _state(request)
    job = await _job(request, id)
    if job.finished is None:
        raise Problem(409, "The job is not finished: follow its events, or ask again later.")
    if not any(item.state == "done" for item in job.items):
        why = next((item.error for item in job.items if item.error), "it was cancelled")
        raise Problem(409, f"There is no result: {why}")
    if len(job.items) == 1:
        return _file(request, job.items[0], RESULT)
    headers = {"Content-Disposition": disposition(ARCHIVE)}
    parts = zipped(_members(job, {item.number: spool.item(id, item.number) for item in job.items}))
    return _Kept(StreamingResponse(parts, headers=headers, media_type="application/zip"), jobs.room, id)


@router.get(
    "/v1/jobs/{id}/items/{number}/{kind}",
    summary="Fetch a file of one image",
    response_class=Response,
    responses=openapi_jobs.files() | described(401, 404, 409, 422),
)
async def item_file(id: JobId, number: Number, kind: Kind, request: Request) -> Response:
    """Return the denoised image, or a PNG to look at: the image before and after, or what was taken out of it."""
    job = await _job(request, id)
    if number > len(job.items):
        raise Problem(404, f"The job has {len(job.items)} images, and none of number {number}.")
    item = job.items[number - 1]
    if item.state != "done":
        raise Problem(409, f"Image {number} is not done: it is {item.state}.")
    return _file(request, item, kind)


class _Kept(Response):
    """A response that is made of a job's files, which are not removed to make room while it is sent."""

    def __init__(self, response: Response, room: Room, job: str) -> None:
        super().__init__()
        self._response, self._room, self._job = response, room, job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._room.pinned(self._job):
            if isinstance(self._response, FileResponse) and not Path(self._response.path).exists():
                raise Problem(404, GONE)
            await self._response(scope, receive, send)


def _state(request: Request) -> tuple[Settings, Any, Jobs]:
    state = request.app.state
    return state.settings, state.spool, state.jobs


async def _job(request: Request, id: str) -> Job:
    job = await _state(request)[2].job(id) if NAME.fullmatch(id) else None
    if job is None:
        raise Problem(404, GONE)
    return job


def _seen(request: Request, job: Job) -> JobView:
    settings, _, jobs = _state(request)
    return view(job, jobs.share, settings.job_expiry, request.scope.get("root_path", ""))


def _answer(request: Request, job: Job, status: int = 200) -> Response:
    seen = _seen(request, job)
    headers = {"Location": seen.links.self} if status == 202 else None
    return Response(seen.model_dump_json(), status, headers, "application/json")


async def _events(request: Request, id: str) -> AsyncIterator[str]:
    async for job in _state(request)[2].reports(id):
        yield f"event: job\ndata: {_seen(request, job).model_dump_json()}\n\n" if job else ": nothing new\n\n"


def _file(request: Request, item: Item, kind: str) -> Response:
    _, spool, jobs = _state(request)
    path = find(spool.item(item.job, item.number), kind)
    if path is None:
        raise Problem(404, f"There is no {kind} of image {item.number}.")
    facts: Mapping[str, Any] = item.facts or {}
    if kind == RESULT:
        name, media_type = result_name(item.name, facts["suffix"]), facts["media_type"]
    else:
        name, media_type = result_name(item.name, ".png", f"-{kind}"), "image/png"
    place = "attachment" if kind == RESULT else "inline"
    headers = {"Content-Disposition": disposition(name, place)}
    return _Kept(FileResponse(path, headers=headers, media_type=media_type), jobs.room, item.job)


def _members(job: Job, folders: Mapping[int, Path]) -> Iterator[tuple[str, Path | bytes]]:
    """Yield names and contents for a job's archive."""
    for item in job.items:
        path = find(folders[item.number], RESULT) if item.state == "done" else None
        if path:
            yield result_name(item.name, (item.facts or {})["suffix"]), path
    failed = [f"{_reason(item)}\n" for item in job.items if item.state != "done"]
    if failed:
        yield FAILURES, "".join(failed).encode()


def _reason(item: Item) -> str:
    """Return why there is no result of an image, with its name."""
    why = item.error or item.state
    return why if item.name in why else f"{item.name}: {why}"


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form without files, which is held in memory and therefore small.

    Raises:
        Problem: 413 if it is not.
    """
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MOST_FORM:
            raise Problem(413, f"The form has more than the {MOST_FORM} bytes allowed: send options alone.")
        return message

    async with Request(request.scope, receive).form(max_files=0, max_fields=uploads.MOST_FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
