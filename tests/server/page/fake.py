"""A service that answers at once and as told: what the page asks for, without denoising.

A file's name says what becomes of it: `slow…` stays at 40 % until it is cancelled, `broken…` fails; all others are
blurred.
"""

import asyncio
import functools
import io
import itertools
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from PIL import Image, ImageChops, ImageFilter
from starlette.datastructures import UploadFile

from pellucid.server.api import page

PICTURES = ("before", "after", "difference", "result")
MODELS = {
    "denoisers": [
        {"name": "photo", "summary": "for any photograph", "default": True, "conditional": True},
        {"name": "digits", "summary": "for digits", "default": False, "conditional": False, "fixed_size": [28, 28]},
    ],
    "classifiers": [{"name": "digit-reader"}],
    "formats": ["png", "jpeg", "tiff"],
    "limits": {
        "max_bytes": 1_000_000,
        "max_batch_bytes": 2_000_000,
        "max_files": 40,
        "max_pixels": 4_000_000,
        "max_frames": 10,
    },
}


@dataclass
class Fake:
    """What the tests set, and what the page has sent."""

    token: str | None = None
    is_busy: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)

    def accept(self, fields: dict[str, str], files: list[tuple[str, bytes]], references: int) -> dict[str, Any]:
        """Return the job that these become."""
        id = f"job-{next(self.numbers)}"
        self.files[id] = files
        self.asked.append(fields | {"names": [name for name, _ in files], "references": references})
        sigma = fields["sigma"] if fields["sigma"] == "auto" else float(fields["sigma"])
        options = {"model": fields["model"], "strength": float(fields["strength"]), "sigma": sigma}
        options["classifier"] = fields["classifier"] or None
        items = [item(id, number, *file, options, references) for number, file in enumerate(files, 1)]
        states = {entry["status"] for entry in items}
        status = "running" if "running" in states else "done" if "done" in states else "failed"
        links = {"self": f"/v1/jobs/{id}", "events": f"/v1/jobs/{id}/events", "result": f"/v1/jobs/{id}/result"}
        progress = sum(entry["progress"] for entry in items) / len(items)
        self.jobs[id] = {"id": id, "status": status, "progress": progress, **options, "items": items, "links": links}
        return self.jobs[id]


def item(id: str, number: int, name: str, content: bytes, options: dict[str, Any], references: int) -> dict[str, Any]:
    """Return an image of a job, as its name has it."""
    links = {what: f"/v1/jobs/{id}/items/{number}/{what}" for what in PICTURES}
    made = {"number": number, "name": name, "status": "done", "progress": 1, "error": None, "links": links}
    if name.startswith("slow"):
        return made | {"status": "running", "progress": 0.4}
    if name.startswith("broken"):
        return made | {"status": "failed", "error": "the file is damaged: give a whole one"}
    width, height = Image.open(io.BytesIO(content)).size
    facts = {"width": width, "height": height, "frames": 1, "bit_depth": 8, "format": "PNG", "difference_gain": 4}
    facts |= {"sigma": 12.3 if options["sigma"] == "auto" else options["sigma"], "seconds": 0.1, "engine": "fake"}
    if references:
        facts |= {"psnr": 31.02, "psnr_before": 20.17, "ssim": 0.91, "ssim_before": 0.4}
    if options["classifier"]:
        facts |= {"labels": {"before": "3", "after": "8"}, "scores": {"before": {"3": 0.6}, "after": {"8": 0.97}}}
    return made | {"facts": facts}


@functools.lru_cache
def pictures(content: bytes) -> dict[str, bytes]:
    """Return what the links of an image lead to."""
    before = Image.open(io.BytesIO(content)).convert("RGB")
    after = before.filter(ImageFilter.GaussianBlur(2))
    return dict(
        zip(PICTURES, map(png, (before, after, ImageChops.subtract(before, after, 0.25, 128), after)), strict=True)
    )


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def problem(status: int, detail: str, **headers: str) -> Response:
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return JSONResponse(body, status, headers, "application/problem+json")


def told(request: Request) -> Fake:
    return request.app.state.fake


router = APIRouter()


@router.get("/v1/models")
def models():
    return MODELS


@router.post("/v1/jobs", status_code=202)
async def create(request: Request):
    fake = told(request)
    async with request.form() as form:
        if fake.is_busy:
            return problem(429, "too much is waiting already", **{"Retry-After": "1"})
        uploads = [value for value in form.getlist("files") if isinstance(value, UploadFile)]
        files = [(upload.filename or "", await upload.read()) for upload in uploads]
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return fake.accept(fields, files, len(form.getlist("references")))


@router.post("/v1/jobs/{id}/again", status_code=202)
async def again(id: str, request: Request):
    fake = told(request)
    fields = {name: str(value) for name, value in (await request.form()).items()}
    return fake.accept(fields, fake.files[id], 0) if id in fake.jobs else problem(404, "there is no such job")


@router.get("/v1/jobs/{id}")
def read(id: str, request: Request):
    return told(request).jobs.get(id) or problem(404, "there is no such job: it may have expired")


@router.delete("/v1/jobs/{id}", status_code=204)
def cancel(id: str, request: Request):
    job = told(request).jobs[id]
    for part in (*job["items"], job):
        if part["status"] == "running":
            part["status"] = "cancelled"


@router.get("/v1/jobs/{id}/events")
def events(id: str, request: Request):
    async def reports(job: dict[str, Any]) -> AsyncIterator[str]:
        yield f"event: job\r\ndata: {json.dumps(job)}\r\n\r\n"
        while job["status"] == "running":
            await asyncio.sleep(0.02)
        yield f"event: job\r\ndata: {json.dumps(job)}\r\n\r\n"

    return StreamingResponse(reports(told(request).jobs[id]), media_type="text/event-stream")


@router.get("/v1/jobs/{id}/result")
def result(id: str, request: Request):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in told(request).files[id]:
            archive.writestr(name, pictures(content)["result"])
    return Response(file.getvalue(), headers=disposition("denoised.zip"), media_type="application/zip")


@router.get("/v1/jobs/{id}/items/{number}/{what}")
def content(id: str, number: int, what: str, request: Request):
    name, sent = told(request).files[id][number - 1]
    headers = disposition(name.replace(".", "-denoised.")) if what == "result" else None
    return Response(pictures(sent)[what], headers=headers, media_type="image/png")


def disposition(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename=\"x\"; filename*=UTF-8''{name}"}


def application() -> FastAPI:
    """Return the service; `app.state.fake` is what it goes by."""
    app = FastAPI()
    app.include_router(page.router)
    app.include_router(router)
    app.state.fake = Fake()

    @app.middleware("http")
    async def guarded(request: Request, call_next):
        token = told(request).token
        if token and request.url.path.startswith("/v1/") and request.headers.get("Authorization") != f"Bearer {token}":
            return problem(401, "give the token")
        return await call_next(request)

    return app
