"""What a client asks for beside its image: model, strength, noise level, classifier."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pellucid.server.errors import Problem
from pellucid.server.filenames import shown
from pellucid.server.jobs.database import Options
from pellucid.server.settings import Settings

WHITE = 255


class _Asked(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    model: str | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    sigma: Literal["auto"] | Annotated[float, Field(ge=0, le=WHITE)] = "auto"
    classifier: str | None = None


def wishes(asked: Mapping[str, str], settings: Settings) -> Options:
    """Check what a query or a form asks for; an empty `classifier` asks for none.

    Raises:
        Problem: 422, naming the parameter and what it may be.
    """
    given = {name: asked[name] for name in _Asked.model_fields if name in asked}
    try:
        found = _Asked.model_validate(given)
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise Problem(422, f"{name} is {shown(given[name]) or 'empty'}: give {MAY_BE[name]}.") from error
    model = chosen("model", next(iter(settings.denoisers)) if found.model is None else found.model, settings.denoisers)
    classifier = chosen("classifier", found.classifier, settings.readers) if found.classifier else None
    sigma = None if found.sigma == "auto" else found.sigma / WHITE
    return Options(model, found.strength, sigma, classifier)


def chosen(parameter: str, name: str, on_offer: Mapping[str, Any]) -> str:
    """Return the name, if it is on offer.

    Raises:
        Problem: 422, saying what is.
    """
    if name in on_offer:
        return name
    choice = f"choose one of {', '.join(on_offer)}" if on_offer else "this service has none"
    raise Problem(422, f"{parameter} is {shown(name) or 'empty'}: {choice}.")


MAY_BE = {"strength": "a number from 0 to 1", "sigma": f"auto, or a number from 0 to {WHITE}"}
