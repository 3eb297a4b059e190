"""What the OpenAPI document says of bodies and parameters that are read by hand."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from pellucid.server.workers.tasks import MEDIA_TYPES

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
ON_OFFER = "x-on-offer"  # stands for the names of what a service has, until `install` puts them there
DENOISER = {"type": "string", ON_OFFER: "denoisers"}
CLASSIFIER = {"type": "string", ON_OFFER: "readers"}
STRENGTH = {"type": "number", "minimum": 0, "maximum": 1, "default": 1}
SIGMA = {"anyOf": [{"const": "auto"}, {"type": "number", "minimum": 0, "maximum": 255}], "default": "auto"}
WORDS = {
    "model": "One of the denoisers of /v1/models; by default the first.",
    "strength": "1 takes out all that the network takes for noise, 0 gives the image back as it was.",
    "sigma": "The noise level, white being 255; auto has it estimated.",
}


def parameter(name: str, schema: dict[str, Any], words: str, example: Any = None) -> dict[str, Any]:
    """Return what is said of a query's parameter; what is on offer is an example of itself."""
    said = {"name": name, "in": "query", "required": False, "description": words, "schema": schema}
    return said if example is None else said | {"example": example}


WISHES = [
    parameter("model", DENOISER, WORDS["model"]),
    parameter("strength", STRENGTH, WORDS["strength"], 0.8),
    parameter("sigma", SIGMA, WORDS["sigma"], "auto"),
]


def body(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a body that is an image, or a form with one as `file` and such fields."""
    properties = {"file": BINARY} | fields
    form = {"type": "object", "required": ["file"], "properties": properties}
    types = (*MEDIA_TYPES.values(), "application/octet-stream")
    return {
        "required": True,
        "content": {media_type: {"schema": BINARY} for media_type in types} | {"multipart/form-data": {"schema": form}},
    }


IMAGE_BODY = body({"model": DENOISER, "strength": STRENGTH, "sigma": SIGMA})


def install(app: FastAPI, on_offer: Mapping[str, Sequence[str]]) -> None:
    """Have an application's document name what the service has.

    Args:
        app: with all its routes.
        on_offer: the names, `denoisers` and `readers`.
    """
    made = app.openapi

    @functools.cache
    def document() -> dict[str, Any]:
        return _filled(made(), on_offer)

    app.openapi = document


def _filled(part: Any, on_offer: Mapping[str, Sequence[str]]) -> Any:
    """Return a part of a document with names where `ON_OFFER` stands; of nothing, any text may be one."""
    if isinstance(part, dict):
        filled = {key: _filled(value, on_offer) for key, value in part.items() if key != ON_OFFER}
        names = list(on_offer.get(part.get(ON_OFFER, ""), ()))
        return filled | ({"enum": names, "examples": names[:1]} if names else {})
    return [_filled(value, on_offer) for value in part] if isinstance(part, list) else part


def _header(words: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"description": words, "schema": schema, "example": example}


IMAGE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The image, denoised.",
        "headers": {
            "X-Request-ID": _header("As given, or made.", {"type": "string"}, "8c1f0c5f5f0b4d0e"),
            "X-Noise-Level": _header(
                "Estimated or given, white being 255; absent if the model is not told it.", {"type": "number"}, 12.5
            ),
            "X-Engine": _header("What the network ran on.", {"type": "string"}, "onnxruntime fp32"),
            "Content-Disposition": _header(
                "A name for the file.", {"type": "string"}, 'attachment; filename="photo-denoised.jpg"'
            ),
        },
        "content": {media_type: {"schema": BINARY} for media_type in MEDIA_TYPES.values()},
    }
}
