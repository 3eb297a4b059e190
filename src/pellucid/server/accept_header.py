"""What a client accepts, by its header Accept (RFC 9110, section 12.5.1)."""

from collections.abc import Collection

from fastapi import Request

from pellucid.server.errors import Problem


def check_accepted(request: Request, media_types: Collection[str]) -> None:
    """Raise Problem, 406, if a client accepts none of the media types that there may be."""
    header = ",".join(request.headers.getlist("accept"))
    if header.strip() and not any(accepts(header, media_type) for media_type in media_types):
        raise Problem(406, f"The answer is one of {', '.join(sorted(media_types))}: accept that, or leave Accept out.")


def accepts(header: str, media_type: str) -> bool:
    """Return whether a header Accept allows a media type; the most specific of its ranges decides."""
    kind = media_type.partition("/")[0]
    weights = {}
    for entry in header.lower().split(","):
        wanted, *parameters = (part.strip() for part in entry.split(";"))
        quality = next((part[2:].strip() for part in parameters if part.startswith("q=")), "1")
        weights[wanted] = _number(quality)
    return next((weights[name] > 0 for name in (media_type, f"{kind}/*", "*/*") if name in weights), False)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
