"""The data that clients send and receive: options of a request, jobs, available models, health."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from pellucid.server.errors import Problem
from pellucid.server.filenames import printable
from pellucid.server.jobs.database import Item, Job, JobOptions, State
from pellucid.server.jobs.files import PREVIEWS, RESULT
from pellucid.server.settings import Settings

SIGMA_UNIT = 255
AVAILABLE = "x-available"  # a kind of models, replaced by their names in the OpenAPI document
MAX_TIMESTAMP = 253_402_300_799  # the end of the year 9999, the last that datetime knows


def _allowed(values: str) -> WrapValidator:
    """Return a validator whose error says which values are allowed."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError("value", "give {values}", {"values": values}) from error

    return WrapValidator(validate)


def _model_name(kind: str, description: str) -> Any:
    return Field(description=description, json_schema_extra={AVAILABLE: kind})


ModelName = str | SkipJsonSchema[None]
Strength = Annotated[
    float,
    Field(ge=0, le=1, description="1 removes all noise that the network finds, 0 none.", examples=[0.8]),
    _allowed("a number from 0 to 1"),
]
Sigma255 = Annotated[
    Literal["auto"] | Annotated[float, Field(ge=0, le=SIGMA_UNIT)],
    Field(alias="sigma", description="The noise level, white being 255; auto estimates it.", examples=["auto"]),
    _allowed(f"auto, or a number from 0 to {SIGMA_UNIT}"),
]
Fraction = Annotated[float, Field(ge=0, le=1, description="The fraction that is done.", examples=[0.4])]


class DenoiseOptions(BaseModel):
    """Options of a request to denoise an image."""

    model_config = ConfigDict(allow_inf_nan=False)
    model: Annotated[ModelName, _model_name("denoisers", "A denoiser of /v1/models; by default the first.")] = None
    strength: Strength = 1.0
    sigma_255: Sigma255 = "auto"


class JobRequestOptions(DenoiseOptions):
    """Options of a job."""

    classifier: Annotated[
        ModelName, _model_name("classifiers", "A classifier of /v1/models, for the image before and after.")
    ] = None


class ClassifyOptions(BaseModel):
    """Options of a request to classify an image."""

    model_config = ConfigDict(allow_inf_nan=False)
    model: Annotated[ModelName, _model_name("classifiers", "A classifier of /v1/models; by default the first.")] = None
    denoise: Annotated[ModelName, _model_name("denoisers", "A denoiser: also classify the denoised image.")] = None
    strength: Strength = 1.0
    sigma_255: Sigma255 = "auto"


Options = TypeVar("Options", bound=BaseModel)


def merge_options(options: Options, fields: Mapping[str, str]) -> Options:
    """Return the options of a query with the fields of a form, which take precedence; unknown fields are ignored.

    Raises:
        RequestValidationError: if a field has a value that is not allowed.
    """
    try:
        return type(options).model_validate(options.model_dump(by_alias=True, exclude_unset=True) | dict(fields))
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def job_options(options: DenoiseOptions, settings: Settings) -> JobOptions:
    """Return options in the units of the job store; an empty classifier is none.

    Raises:
        Problem: 422 if a model is not available.
    """
    model = next(iter(settings.denoisers)) if options.model is None else options.model
    classifier = getattr(options, "classifier", None)
    return JobOptions(
        check_available("model", model, settings.denoisers),
        options.strength,
        unit_sigma(options.sigma_255),
        check_available("classifier", classifier, settings.classifiers_by_name) if classifier else None,
    )


def unit_sigma(sigma_255: float | Literal["auto"]) -> float | None:
    """Return a noise level in [0, 1] units, or None for auto."""
    return None if sigma_255 == "auto" else sigma_255 / SIGMA_UNIT


def check_available(parameter: str, name: str, available: Mapping[str, Any]) -> str:
    """Return the name of a model.

    Raises:
        Problem: 422 if it is not among those that are available.
    """
    if name in available:
        return name
    choice = f"choose one of {', '.join(available)}" if available else "this service has none"
    raise Problem(422, f"{parameter} is {printable(name) or 'empty'}: {choice}.")


class ItemLinks(BaseModel):
    """Paths of the files of an image; null for those that do not exist."""

    result: str | None = None
    before: str | None = None
    after: str | None = None
    difference: str | None = None


class ItemResponse(BaseModel):
    """One image of a job."""

    number: Annotated[int, Field(ge=1)]
    name: Annotated[str, Field(description="The client's name for it.", examples=["photo.jpg"])]
    status: State
    progress: Fraction
    error: Annotated[str | None, Field(description="Why it failed, and what to do.")]
    metadata: Annotated[
        dict[str, Any] | None,
        Field(
            description="Of the result: sizes, the noise level, measures.",
            examples=[{"width": 640, "sigma_255": 12.5}],
        ),
    ]
    links: ItemLinks


class JobLinks(BaseModel):
    """Paths of a job, its events, and its result: the image, or a ZIP of several; null until the job is finished."""

    self: str
    events: str
    result: str | None


class JobResponse(BaseModel):
    """A job: it is `done` if one of its images is, and `failed` if none is."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)
    id: Annotated[str, Field(examples=["5f0c3f9a8f3b4d0e9c1a7b2d6e4f8a90"])]
    status: State
    created: datetime
    expires: Annotated[datetime | None, Field(description="When it is removed; null until it is finished.")]
    progress: Fraction
    model: str
    strength: float
    sigma_255: Annotated[float | Literal["auto"], Field(alias="sigma", description="White being 255.")]
    classifier: str | None
    items: list[ItemResponse]
    links: JobLinks


def job_response(job: Job, progress_of: Callable[[Item], float], job_expiry: float, root: str) -> JobResponse:
    """Return a job as clients see it.

    Args:
        job: from the store.
        progress_of: returns the fraction of an item that is done, from 0 to 1.
        job_expiry: the seconds for which finished jobs are kept.
        root: a prefix for the paths of links.
    """
    base = f"{root}/v1/jobs/{job.id}"
    is_finished, options = job.finished is not None, job.options
    has_result = is_finished and any(item.state == "done" for item in job.items)
    fractions = [progress_of(item) for item in job.items]
    return JobResponse(
        id=job.id,
        status=job.status,
        created=_timestamp(job.created),
        expires=None if job.finished is None else _timestamp(job.finished + job_expiry),
        progress=1.0 if is_finished else sum(fractions) / len(fractions),
        model=options.model,
        strength=options.strength,
        sigma_255="auto" if options.sigma is None else round(SIGMA_UNIT * options.sigma, 6),
        classifier=options.classifier,
        items=[_item_response(item, fraction, base) for item, fraction in zip(job.items, fractions, strict=True)],
        links=JobLinks(self=base, events=f"{base}/events", result=f"{base}/result" if has_result else None),
    )


def _item_response(item: Item, fraction: float, base: str) -> ItemResponse:
    kinds = (RESULT, *(item.metadata or {}).get("previews", PREVIEWS)) if item.state == "done" else ()
    return ItemResponse(
        number=item.number,
        name=item.name,
        status=item.state,
        progress=fraction,
        error=item.error,
        metadata=item.metadata,
        links=ItemLinks(**{kind: f"{base}/items/{item.number}/{kind}" for kind in kinds}),
    )


def _timestamp(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(seconds, MAX_TIMESTAMP), UTC)


class DenoiserInfo(BaseModel):
    """A denoiser; a shipped one has a model card."""

    name: str
    summary: str
    default: bool
    channels: list[int]
    fixed_size: list[int] | None
    conditional: bool
    license: str | None
    sha256: dict[str, str]
    card: dict[str, Any] | None


class ClassifierInfo(BaseModel):
    """A classifier, and the names of its classes if it has any."""

    name: str
    classes: list[str]
    sha256: dict[str, str]


class ModelList(BaseModel):
    """The available models, the supported formats, and the limits of a request."""

    denoisers: list[DenoiserInfo]
    classifiers: list[ClassifierInfo]
    formats: list[str]
    limits: dict[str, float]


class Health(BaseModel):
    """The state of the service."""

    status: str
