"""A fake service that responds at once, without denoising.

The name of a file says what happens to it: `slow…` stays at 40 % until it is cancelled, `broken…` fails; all others are
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

from pellucid.server.app import add_page

KINDS = ("before", "after", "difference", "result")
MODELS = {
    "denoisers": [
        {"name": "photo", "summary": "for any photograph", "default": True, "conditional": True},
        {"name": "digits", "summary": "for digits", "default": False, "conditional": False, "fixed_size": [28, 28]},
    ],
    "classifiers": [{"name": "digit-classifier"}],
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
    """The behavior that tests set, and the requests that the page has sent."""

    token: str | None = None
    is_busy: bool = False
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)

    def accept(self, fields: dict[str, str], files: list[tuple[str, bytes]], references: int) -> dict[str, Any]:
        """Return a new job."""
        id = f"job-{next(self.numbers)}"
        self.files[id] = files
        self.requests.append(fields | {"names": [name for name, _ in files], "references": references})
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
    """Return an item of a job, as its name says."""
    links = {kind: f"/v1/jobs/{id}/items/{number}/{kind}" for kind in KINDS}
    made = {"number": number, "name": name, "status": "done", "progress": 1, "error": None, "links": links}
    if name.startswith("slow"):
        return made | {"status": "running", "progress": 0.4}
    if name.startswith("broken"):
        return made | {"status": "failed", "error": "the file is damaged: give a whole one"}
    width, height = Image.open(io.BytesIO(content)).size
    metadata = {"width": width, "height": height, "frames": 1, "bit_depth": 8, "format": "PNG", "difference_gain": 4}
    metadata |= {
        "sigma_255": 12.3 if options["sigma"] == "auto" else options["sigma"],
        "seconds": 0.1,
        "engine": "fake",
    }
    if references:
        metadata |= {"psnr": 31.02, "psnr_before": 20.17, "ssim": 0.91, "ssim_before": 0.4}
    if options["classifier"]:
        metadata |= {"labels": {"before": "3", "after": "8"}, "scores": {"before": {"3": 0.6}, "after": {"8": 0.97}}}
    return made | {"metadata": metadata}


@functools.lru_cache
def files_of(content: bytes) -> dict[str, bytes]:
    """Return the files of an image by kind."""
    before = Image.open(io.BytesIO(content)).convert("RGB")
    after = before.filter(ImageFilter.GaussianBlur(2))
    return dict(
        zip(KINDS, map(png, (before, after, ImageChops.subtract(before, after, 0.25, 128), after)), strict=True)
    )


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def problem(status: int, detail: str, **headers: str) -> Response:
    body = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return JSONResponse(body, status, headers, "application/problem+json")


def state_of(request: Request) -> Fake:
    return request.app.state.fake


router = APIRouter()


@router.get("/v1/models")
def models():
    return MODELS


@router.post("/v1/jobs", status_code=202)
async def create(request: Request):
    fake = state_of(request)
    async with request.form() as form:
        if fake.is_busy:
            return problem(429, "too many images are waiting", **{"Retry-After": "1"})
        uploads = [value for value in form.getlist("files") if isinstance(value, UploadFile)]
        files = [(upload.filename or "", await upload.read()) for upload in uploads]
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return fake.accept(fields, files, len(form.getlist("references")))


@router.post("/v1/jobs/{id}/again", status_code=202)
async def again(id: str, request: Request):
    fake = state_of(request)
    fields = {name: str(value) for name, value in (await request.form()).items()}
    return fake.accept(fields, fake.files[id], 0) if id in fake.jobs else problem(404, "there is no such job")


@router.get("/v1/jobs/{id}")
def read(id: str, request: Request):
    return state_of(request).jobs.get(id) or problem(404, "there is no such job: it may have expired")


@router.delete("/v1/jobs/{id}", status_code=204)
def cancel(id: str, request: Request):
    job = state_of(request).jobs[id]
    for part in (*job["items"], job):
        if part["status"] == "running":
            part["status"] = "cancelled"


@router.get("/v1/jobs/{id}/events")
def events(id: str, request: Request):
    async def stream(job: dict[str, Any]) -> AsyncIterator[str]:
        yield f"event: job\r\ndata: {json.dumps(job)}\r\n\r\n"
        while job["status"] == "running":
            await asyncio.sleep(0.02)
        yield f"event: job\r\ndata: {json.dumps(job)}\r\n\r\n"

    return StreamingResponse(stream(state_of(request).jobs[id]), media_type="text/event-stream")


@router.get("/v1/jobs/{id}/result")
def result(id: str, request: Request):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in state_of(request).files[id]:
            archive.writestr(name, files_of(content)["result"])
    return Response(file.getvalue(), headers=disposition("denoised.zip"), media_type="application/zip")


@router.get("/v1/jobs/{id}/items/{number}/{kind}")
def content(id: str, number: int, kind: str, request: Request):
    name, sent = state_of(request).files[id][number - 1]
    headers = disposition(name.replace(".", "-denoised.")) if kind == "result" else None
    return Response(files_of(sent)[kind], headers=headers, media_type="image/png")


def disposition(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename=\"x\"; filename*=UTF-8''{name}"}


def application() -> FastAPI:
    """Return the service; `app.state.fake` is its state."""
    app = FastAPI()
    add_page(app)
    app.include_router(router)
    app.state.fake = Fake()

    @app.middleware("http")
    async def check_token(request: Request, call_next):
        token = state_of(request).token
        if token and request.url.path.startswith("/v1/") and request.headers.get("Authorization") != f"Bearer {token}":
            return problem(401, "give the token")
        return await call_next(request)

    return app
