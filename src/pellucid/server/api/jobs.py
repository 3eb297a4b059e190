"""Routes for jobs: many images, or one that takes long, whose result is followed and fetched later."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send
from zipstream.ng import ZipStream

from pellucid.server import openapi, uploads
from pellucid.server.errors import Problem, openapi_problems
from pellucid.server.filenames import disposition, result_name
from pellucid.server.jobs.database import Item, Job
from pellucid.server.jobs.disk_quota import DiskQuota
from pellucid.server.jobs.files import NAME, RESULT, JobFiles, find
from pellucid.server.jobs.queue import Jobs
from pellucid.server.schemas import (
    SIGMA_UNIT,
    JobRequestOptions,
    JobResponse,
    job_options,
    job_response,
    merge_options,
)
from pellucid.server.settings import Settings

FILES, REFERENCES = "files", "references"
ARCHIVE, FAILURES = "denoised.zip", "failed.txt"
NO_JOB = "There is no such job: it has expired, or was removed."
EVENTS = "text/event-stream"
MAX_FORM_BYTES = 65_536

JobId = Annotated[str, PathParameter(alias="id", description="From the response that accepted the job.")]
Number = Annotated[int, PathParameter(ge=1, le=1_000_000)]
Kind = Literal["result", "before", "after", "difference"]

router = APIRouter(tags=["jobs"])
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobResponse,
        "description": "Accepted: it will be done, or fail with a reason, also if the service is restarted.",
        "headers": {"Location": {"description": "The path of the job.", "schema": {"type": "string"}}},
    }
}


@router.post(
    "/v1/jobs",
    status_code=202,
    summary="Accept images to be denoised",
    response_class=Response,
    responses=ACCEPTED | openapi_problems(400, 401, 408, 413, 415, 422, 429, 500, 507),
    openapi_extra={"requestBody": openapi.JOB_BODY},
)
async def accept(request: Request, query: Annotated[JobRequestOptions, Query()]) -> Response:
    """Accept images, and respond before they are denoised.

    References, clean images to compare with, belong to the images with the same names without suffix; if the names
    differ and there are as many of them as images, to the images in the same order. If some of several images have an
    unsupported format, these have failed from the start, and the others are denoised.
    """
    settings, _, jobs = _state(request)
    job_options(query, settings)
    await jobs.check_queue()
    async with uploads.reserve_space(request) as folder:
        fields, max_files = (FILES, REFERENCES), 2 * settings.max_files
        received = await uploads.receive(request, folder, fields, settings.max_bytes, max_files)
        options = job_options(merge_options(query, received.fields), settings)
        files = [upload for upload in received.files if upload.field != REFERENCES]
        references = [upload for upload in received.files if upload.field == REFERENCES]
        if len(files) > settings.max_files:
            raise Problem(413, f"There are {len(files)} images, more than the {settings.max_files} allowed in a job.")
        job = await jobs.accept(options, uploads.match_references(files, references))
    return _job_response(request, job, 202)


@router.get(
    "/v1/jobs/{id}", summary="Show a job", responses=openapi_problems(401, 404, 422), response_model=JobResponse
)
async def show(id: JobId, request: Request) -> Response:
    """Return a job with its progress."""
    return _job_response(request, await _job(request, id))


@router.delete(
    "/v1/jobs/{id}", status_code=204, summary="Cancel or remove a job", responses=openapi_problems(401, 404, 422)
)
async def delete(id: JobId, request: Request) -> Response:
    """Cancel a job that is not finished, or remove one that is, with its files."""
    jobs = _state(request)[2]
    job = await _job(request, id)
    if job.finished is None:
        await jobs.cancel(id)
    elif not await jobs.remove(id):
        raise Problem(404, NO_JOB)
    return Response(status_code=204)


@router.post(
    "/v1/jobs/{id}/again",
    status_code=202,
    summary="Accept the same images with other options",
    response_class=Response,
    responses=ACCEPTED | openapi_problems(400, 401, 404, 413, 422, 429, 507),
    openapi_extra={"requestBody": openapi.RERUN_BODY},
)
async def rerun(id: JobId, request: Request) -> Response:
    """Create a new job of a job's images, which need not be sent again; options that are not sent stay as they were."""
    settings, _, jobs = _state(request)
    previous = (await _job(request, id)).options
    sigma_255 = "auto" if previous.sigma is None else SIGMA_UNIT * previous.sigma
    unchanged = JobRequestOptions.model_validate(vars(previous) | {"sigma": sigma_255})
    options = job_options(merge_options(unchanged, await _form_fields(request)), settings)
    job = await jobs.rerun(id, options)
    if job is None:
        raise Problem(404, NO_JOB)
    return _job_response(request, job, 202)


@router.get(
    "/v1/jobs/{id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={200: {"description": "Events called job.", "content": {EVENTS: {}}}} | openapi_problems(401, 404, 422),
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
    responses=openapi.file_responses("application/zip") | openapi_problems(401, 404, 409, 422),
)
async def result(id: JobId, request: Request) -> Response:
    """Return the image, or a ZIP of all that are done, with a list of those that failed."""
    _, files, jobs = _state(request)
    job = await _job(request, id)
    if job.finished is None:
        raise Problem(409, "The job is not finished: follow its events, or try again later.")
    if not any(item.state == "done" for item in job.items):
        reason = next((item.error for item in job.items if item.error), "it was cancelled")
        raise Problem(409, f"There is no result: {reason}")
    if len(job.items) == 1:
        return _file_response(request, job.items[0], RESULT)
    with jobs.quota.pinned(id):
        archive = await asyncio.to_thread(job_archive, job, files)
    headers = {"Content-Disposition": disposition(ARCHIVE), "Content-Length": str(len(archive))}
    response = StreamingResponse(archive, headers=headers, media_type="application/zip")
    return PinnedResponse(response, jobs.quota, id)


@router.get(
    "/v1/jobs/{id}/items/{number}/{kind}",
    summary="Fetch a file of one image",
    response_class=Response,
    responses=openapi.file_responses() | openapi_problems(401, 404, 409, 422),
)
async def item_file(id: JobId, number: Number, kind: Kind, request: Request) -> Response:
    """Return the denoised image, or a PNG for display: the image before or after, or their difference."""
    job = await _job(request, id)
    if number > len(job.items):
        raise Problem(404, f"The job has {len(job.items)} images, and none of number {number}.")
    item = job.items[number - 1]
    if item.state != "done":
        raise Problem(409, f"Image {number} is not done: it is {item.state}.")
    return _file_response(request, item, kind)


class PinnedResponse(Response):
    """A response with a job's files, which are not removed to free space while it is sent."""

    def __init__(self, response: Response, quota: DiskQuota, job: str) -> None:
        """Take the response, and the job whose files it sends."""
        super().__init__()
        self._response, self._quota, self._job = response, quota, job

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._quota.pinned(self._job):
            if isinstance(self._response, FileResponse) and not Path(self._response.path).exists():
                raise Problem(404, NO_JOB)
            await self._response(scope, receive, send)


def job_archive(job: Job, files: JobFiles) -> ZipStream:
    """Return a ZIP of a job's results, as a stream of known length; images are compressed already, so it is stored."""
    archive = ZipStream(sized=True)
    used_names: set[str] = set()
    for item in job.items:
        path = find(files.item(job.id, item.number), RESULT) if item.state == "done" else None
        if path:
            name = result_name(item.name, (item.metadata or {})["suffix"])
            archive.add_path(path, unused_name(name, used_names))
    failed = [f"{_reason(item)}\n" for item in job.items if item.state != "done"]
    if failed:
        archive.add("".join(failed).encode(), unused_name(FAILURES, used_names))
    return archive


def unused_name(name: str, used: set[str]) -> str:
    """Return a name that differs from those used by more than case, and add it to them."""
    path, candidate, count = Path(name), name, 1
    while candidate.casefold() in used:
        count += 1
        candidate = f"{path.stem}-{count}{path.suffix}"
    used.add(candidate.casefold())
    return candidate


def _reason(item: Item) -> str:
    """Return why an image has no result, with its name."""
    reason = item.error or item.state
    return reason if item.name in reason else f"{item.name}: {reason}"


def _state(request: Request) -> tuple[Settings, JobFiles, Jobs]:
    state = request.app.state
    return state.settings, state.files, state.jobs


async def _job(request: Request, id: str) -> Job:
    job = await _state(request)[2].job(id) if NAME.fullmatch(id) else None
    if job is None:
        raise Problem(404, NO_JOB)
    return job


def _response_model(request: Request, job: Job) -> JobResponse:
    settings, _, jobs = _state(request)
    return job_response(job, jobs.progress_of, settings.job_expiry, request.scope.get("root_path", ""))


def _job_response(request: Request, job: Job, status: int = 200) -> Response:
    model = _response_model(request, job)
    headers = {"Location": model.links.self} if status == 202 else None
    return Response(model.model_dump_json(), status, headers, "application/json")


async def _events(request: Request, id: str) -> AsyncIterator[str]:
    async for job in _state(request)[2].events(id):
        if job:
            yield f"event: job\ndata: {_response_model(request, job).model_dump_json()}\n\n"
        else:
            yield ": no change\n\n"


def _file_response(request: Request, item: Item, kind: str) -> Response:
    _, files, jobs = _state(request)
    path = find(files.item(item.job, item.number), kind)
    if path is None:
        raise Problem(404, f"There is no {kind} of image {item.number}.")
    metadata: Mapping[str, Any] = item.metadata or {}
    if kind == RESULT:
        name, media_type = result_name(item.name, metadata["suffix"]), metadata["media_type"]
    else:
        name, media_type = result_name(item.name, ".png", f"-{kind}"), "image/png"
    headers = {"Content-Disposition": disposition(name, "attachment" if kind == RESULT else "inline")}
    return PinnedResponse(FileResponse(path, headers=headers, media_type=media_type), jobs.quota, item.job)


async def _form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form without files, which is kept in memory and therefore small.

    Raises:
        Problem: 413 if it is too large.
    """
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > MAX_FORM_BYTES:
            raise Problem(413, f"The form has more than the {MAX_FORM_BYTES} bytes allowed: send only options.")
        return message

    async with Request(request.scope, receive).form(max_files=0, max_fields=uploads.MAX_FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
