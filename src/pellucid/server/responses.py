"""What a client sees of a job."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from pellucid.server.jobs.database import Item, Job, State
from pellucid.server.jobs.files import PREVIEWS, RESULT

WHITE = 255

Share = Annotated[float, Field(ge=0, le=1, description="How much is done.", examples=[0.4])]


class ItemLinks(BaseModel):
    """Where the files of an image are; those that are not there yet, or that there are none of, are null."""

    result: str | None = None
    before: str | None = None
    after: str | None = None
    difference: str | None = None


class ItemView(BaseModel):
    """One image of a job."""

    number: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(description="What its sender calls it.", examples=["photo.jpg"])]
    status: State
    progress: Share
    error: Annotated[str | None, Field(description="Why it failed, and what to do.")]
    facts: Annotated[
        dict[str, Any] | None,
        Field(description="What was found: sizes, the noise level, figures.", examples=[{"width": 640, "sigma": 12.5}]),
    ]
    links: ItemLinks


class JobLinks(BaseModel):
    """Where a job is, its events, and its result: the image, or a ZIP of several; null until all are finished."""

    self: str
    events: str
    result: str | None


class JobView(BaseModel):
    """A job as it stands: it is `done` if one of its images is, and `failed` if none is."""

    id: Annotated[str, Field(examples=["5f0c3f9a8f3b4d0e9c1a7b2d6e4f8a90"])]
    status: State
    created: datetime
    expires: Annotated[datetime | None, Field(description="When it is removed; null until it is finished.")]
    progress: Share
    model: str
    strength: float
    sigma: Annotated[float | Literal["auto"], Field(description="White being 255.")]
    classifier: str | None
    items: list[ItemView]
    links: JobLinks


def view(job: Job, share: Callable[[Item], float], kept: float, root: str) -> JobView:
    """Return what a client sees of a job.

    Args:
        job: as the store has it.
        share: how much of an item is done, from 0 to 1.
        kept: the seconds for which finished jobs are kept.
        root: what stands before the paths of links.
    """
    base = f"{root}/v1/jobs/{job.id}"
    is_finished, wanted = job.finished is not None, job.options
    has_result = is_finished and any(item.state == "done" for item in job.items)
    shares = [share(item) for item in job.items]
    return JobView(
        id=job.id,
        status=job.status,
        created=_moment(job.created),
        expires=None if job.finished is None else _moment(job.finished + kept),
        progress=1.0 if is_finished else sum(shares) / len(shares),
        model=wanted.model,
        strength=wanted.strength,
        sigma="auto" if wanted.sigma is None else round(WHITE * wanted.sigma, 6),
        classifier=wanted.classifier,
        items=[_item(item, done, base) for item, done in zip(job.items, shares, strict=True)],
        links=JobLinks(self=base, events=f"{base}/events", result=f"{base}/result" if has_result else None),
    )


def _item(item: Item, done: float, base: str) -> ItemView:
    kinds = (RESULT, *(item.facts or {}).get("previews", PREVIEWS)) if item.state == "done" else ()
    return ItemView(
        number=item.number,
        name=item.name,
        status=item.state,
        progress=done,
        error=item.error,
        facts=item.facts,
        links=ItemLinks(**{kind: f"{base}/items/{item.number}/{kind}" for kind in kinds}),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(seconds, 253_402_300_799), UTC)
