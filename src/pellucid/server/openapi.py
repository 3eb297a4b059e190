"""The parts of the OpenAPI document that FastAPI cannot derive: streamed bodies, image responses, available models."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from pellucid.server.schemas import AVAILABLE, ClassifyOptions, DenoiseOptions, JobRequestOptions
from pellucid.server.workers.tasks import MEDIA_TYPES

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
BINARY_LIST = {"type": "array", "items": BINARY}
FORM = "multipart/form-data"


def _image_bodies() -> dict[str, Any]:
    return {media_type: {"schema": BINARY} for media_type in (*MEDIA_TYPES.values(), "application/octet-stream")}


def _properties(options: type[BaseModel]) -> dict[str, Any]:
    """Return the schemas of options as fields of a form, in which there is no null."""
    properties = options.model_json_schema()["properties"]
    return {
        name: {key: value for key, value in schema.items() if value is not None} for name, schema in properties.items()
    }


def _form(files: Mapping[str, Any], options: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a form with files, of which the first is required, and with options."""
    properties = {**files, **_properties(options)}
    return {"schema": {"type": "object", "required": [next(iter(files))], "properties": properties}}


def _upload(form: dict[str, Any]) -> dict[str, Any]:
    """Return a body that is an image or a form."""
    return {"required": True, "content": _image_bodies() | {FORM: form}}


DENOISE_BODY = _upload(_form({"file": BINARY}, DenoiseOptions))
CLASSIFY_BODY = _upload(_form({"file": BINARY}, ClassifyOptions))
JOB_BODY = _upload(_form({"files": BINARY_LIST | {"minItems": 1}, "references": BINARY_LIST}, JobRequestOptions))
_RERUN_FORM = {"schema": {"type": "object", "properties": _properties(JobRequestOptions)}}
RERUN_BODY = {"required": False, "content": {"application/x-www-form-urlencoded": _RERUN_FORM, FORM: _RERUN_FORM}}


def file_responses(*more_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the responses with a file that is an image, or of one of these types."""
    types = (*MEDIA_TYPES.values(), *more_types)
    return {
        200: {"description": "The file.", "content": {kind: {"schema": BINARY} for kind in types}},
        206: {"description": "The requested part of the file."},
        416: {"description": "The file has no such part."},
    }


def _header(description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"description": description, "schema": schema, "example": example}


IMAGE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The image, denoised.",
        "headers": {
            "X-Request-ID": _header("As sent, or a new one.", {"type": "string"}, "8c1f0c5f5f0b4d0e"),
            "X-Noise-Level": _header(
                "As requested or estimated, white being 255; absent if the model does not use it.",
                {"type": "number"},
                12.5,
            ),
            "X-Engine": _header("The engine and precision of the network.", {"type": "string"}, "onnxruntime fp32"),
            "Content-Disposition": _header(
                "A name for the file.", {"type": "string"}, 'attachment; filename="photo-denoised.jpg"'
            ),
        },
        "content": {media_type: {"schema": BINARY} for media_type in MEDIA_TYPES.values()},
    }
}
_PREDICTION = {
    "type": "object",
    "required": ["label", "scores"],
    "properties": {
        "label": {"type": "string"},
        "scores": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
    },
}
_CLASSIFY_SCHEMA = {
    "type": "object",
    "required": ["model", "label", "scores"],
    "properties": {
        "model": {"type": "string"},
        **_PREDICTION["properties"],
        "denoised": _PREDICTION | {"description": "The prediction for the denoised image, if it was requested."},
    },
}
_CLASSIFY_EXAMPLE = {"model": "digits", "label": "7", "scores": {"1": 0.02, "7": 0.98}}
CLASSIFY_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The prediction.",
        "content": {"application/json": {"schema": _CLASSIFY_SCHEMA, "example": _CLASSIFY_EXAMPLE}},
    }
}


def install(app: FastAPI, available: Mapping[str, Sequence[str]]) -> None:
    """Put the names of the available models into the document of an application.

    Args:
        app: with all its routes.
        available: the names, `denoisers` and `classifiers`.
    """
    generate = app.openapi

    @functools.cache
    def document() -> dict[str, Any]:
        return _with_names(generate(), available)

    app.openapi = document


def _with_names(part: Any, available: Mapping[str, Sequence[str]]) -> Any:
    """Replace `AVAILABLE` in a part of a document by an enumeration; where there is no model, any text is allowed."""
    if isinstance(part, dict):
        result = {key: _with_names(value, available) for key, value in part.items() if key != AVAILABLE}
        names = list(available.get(part.get(AVAILABLE, ""), ()))
        return result | ({"enum": names, "examples": names[:1]} if names else {})
    return [_with_names(value, available) for value in part] if isinstance(part, list) else part
