"""What the OpenAPI document says of the bodies and files of jobs."""

from typing import Any

from pellucid.server import openapi
from pellucid.server.workers.tasks import MEDIA_TYPES

FIELDS = {
    "model": openapi.DENOISER,
    "strength": openapi.STRENGTH,
    "sigma": openapi.SIGMA,
    "classifier": openapi.CLASSIFIER,
}
WISHES = [
    *openapi.WISHES,
    openapi.parameter(
        "classifier", openapi.CLASSIFIER, "One of the classifiers of /v1/models, which reads before and after."
    ),
]
_FORM = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "items": openapi.BINARY, "minItems": 1},
        "references": {"type": "array", "items": openapi.BINARY},
        **FIELDS,
    },
}
_IMAGE_TYPES = (*MEDIA_TYPES.values(), "application/octet-stream")
BODY = {
    "required": True,
    "content": {"multipart/form-data": {"schema": _FORM}}
    | {media_type: {"schema": openapi.BINARY} for media_type in _IMAGE_TYPES},
}
_AGAIN = {"schema": {"type": "object", "properties": FIELDS}}
AGAIN_BODY = {
    "required": False,
    "content": {"application/x-www-form-urlencoded": _AGAIN, "multipart/form-data": _AGAIN},
}


def files(*more_types: str) -> dict[int | str, dict[str, Any]]:
    """Return what is said of a response that is an image, or of one of these types."""
    types = (*MEDIA_TYPES.values(), *more_types)
    return {
        200: {"description": "The file.", "content": {kind: {"schema": openapi.BINARY} for kind in types}},
        206: {"description": "The part of the file that was asked for."},
        416: {"description": "There is no such part of the file."},
    }
