"""What is on offer: denoisers, classifiers, formats, limits."""

import functools
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from pellucid import weights
from pellucid.server.errors import described
from pellucid.server.workers.tasks import MEDIA_TYPES

LIMITS = ("max_bytes", "max_batch_bytes", "max_pixels", "max_frames", "max_files", "time_limit")


class DenoiserOnOffer(BaseModel):
    """A denoiser; of a shipped one, its card goes along."""

    name: str
    summary: str
    default: bool
    channels: list[int]
    fixed_size: list[int] | None
    conditional: bool
    licence: str | None
    sha256: dict[str, str]
    card: dict[str, Any] | None


class ClassifierOnOffer(BaseModel):
    """A classifier, and the classes that it knows by name."""

    name: str
    classes: list[str]
    sha256: dict[str, str]


class OnOffer(BaseModel):
    """All that is on offer."""

    denoisers: list[DenoiserOnOffer]
    classifiers: list[ClassifierOnOffer]
    formats: list[str]
    limits: dict[str, float]


router = APIRouter(tags=["service"])


@router.get("/v1/models", summary="Say what is on offer", responses=described(401))
def models(request: Request) -> OnOffer:
    """Return the denoisers, the classifiers, the formats that are taken and given back, and the limits."""
    settings, told = request.app.state.settings, request.app.state.pool.on_offer
    denoisers = [
        DenoiserOnOffer(name=name, default=not position, **told["denoisers"][name], **_described(model))
        for position, (name, model) in enumerate(settings.denoisers.items())
    ]
    classifiers = [
        ClassifierOnOffer(name=name, **told["classifiers"][name], sha256={path.name: _sha256(path)})
        for name, path in settings.readers.items()
    ]
    limits = {name: getattr(settings, name) for name in LIMITS}
    return OnOffer(denoisers=denoisers, classifiers=classifiers, formats=list(MEDIA_TYPES), limits=limits)


@functools.cache
def _described(model: str) -> dict[str, Any]:
    """Return what is known of a denoiser without running it."""
    if model == weights.SELF:
        summary = "learns from each image itself, for most of a minute"
        return {"summary": summary, "licence": None, "sha256": {}, "card": None}
    found = weights.find(model)
    if found.card is None:
        sums = {path.name: _sha256(path) for path in found.files}
        return {"summary": "", "licence": None, "sha256": sums, "card": None}
    card = {key: value for key, value in found.card.items() if key != "sha256"}
    return {"summary": card["summary"], "licence": card["licence"], "sha256": found.card["sha256"], "card": card}


_sha256 = functools.cache(weights.digest)
