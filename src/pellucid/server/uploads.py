"""Uploads, streamed into a folder of the spool: nothing of them is decoded here, and no name of theirs is a path."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from pellucid.errors import UnknownFormat
from pellucid.image.formats import HEAD, sniff
from pellucid.server.errors import Problem
from pellucid.server.filenames import UNNAMED, shown, shown_name
from pellucid.server.security import most_of
from pellucid.server.workers.tasks import Busy
from pellucid.utils.atomic_write import reason_of

BINARY = "application/octet-stream"
FORM = "multipart/form-data"
LONGEST_FIELD, MOST_FIELDS = 1000, 50


@dataclass(frozen=True)
class Upload:
    """A file that was received.

    Attributes:
        field: the form's field that it came in; empty for a body that is the image itself.
        name: what its sender calls it, fit to be shown; it is never used as a path.
        path: where it lies; of a file that cannot be taken, no more than its beginning.
        size: in bytes, as it was sent.
        refusal: why it cannot be taken, as its first bytes tell, or None.
    """

    field: str
    name: str
    path: Path
    size: int
    refusal: Problem | None


@dataclass
class Received:
    """What a request's body held."""

    files: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def admitted(request: Request) -> AsyncIterator[Path]:
    """Yield a new folder for an upload that is worked on at once, if there is a place in line and room on the disk.

    Raises:
        Busy: if the line is full already: nothing need be sent.
        NoRoom: if the disk budget is used up.
    """
    pool = request.app.state.pool
    if pool.is_full:
        raise Busy(pool.retry_after)
    async with made_room(request) as folder:
        yield folder


@asynccontextmanager
async def made_room(request: Request) -> AsyncIterator[Path]:
    """Yield a new folder for an upload, if there is room for it on the disk.

    Raises:
        NoRoom: if the disk budget is used up.
    """
    settings, spool, jobs = (getattr(request.app.state, name) for name in ("settings", "spool", "jobs"))
    length, most = request.headers.get("content-length", ""), most_of(request.scope, request.headers, settings)
    with jobs.room.expecting(min(int(length), most) if length.isdecimal() else most), spool.scratch() as folder:
        await jobs.room.make()
        yield folder


async def receive(
    request: Request, folder: Path, file_fields: Collection[str], most_bytes: int, most_files: int = 1
) -> Received:
    """Stream a request's body into a folder: a form with files, or the image itself.

    Args:
        request: whose body is bounded by `pellucid.server.security`.
        folder: where to; empty, and the service's own.
        file_fields: the form's fields that may hold files.
        most_bytes: the most of each file.
        most_files: how many may come in all.

    Raises:
        Problem: 400 for a body that is no form as it says, 413 for too many files or one that is too large, 415 for a
            type of body that is not supported or where no file is of a format that is, 422 for fields that cannot be or
            a missing file, 507 if the disk is full.
        ClientDisconnect: if the client has gone.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    media_type = kind.decode("latin-1").lower()
    if media_type == FORM:
        boundary = options.get(b"boundary")
        if not boundary:
            raise Problem(400, "The form has no boundary: let the HTTP library write its Content-Type.")
        form = _Form(folder, boundary, frozenset(file_fields), most_bytes, most_files)
    elif media_type in ("", BINARY) or media_type.startswith("image/"):
        form = _Plain(folder, most_bytes)
    else:
        raise Problem(
            415,
            f"A body of type {shown(media_type)} is not taken: send the image itself as image/* or {BINARY}, or a "
            f"{FORM} with the image as {sorted(file_fields)[0]}.",
            headers={"Accept-Post": f"image/*, {BINARY}, {FORM}"},
        )
    try:
        async for part in request.stream():
            form.take(part)
        received = form.finish()
    except FormParserError as error:
        raise Problem(400, f"The form cannot be read ({shown(str(error))}).") from error
    except OSError as error:
        if isinstance(error, ClientDisconnect):
            raise
        raise Problem(507, f"The service cannot keep the upload: {reason_of(error)}") from error
    finally:
        form.close()
    if not received.files:
        raise Problem(422, f"There is no image: send one as {sorted(file_fields)[0]}, or as the body itself.")
    if all(upload.refusal for upload in received.files):
        raise next(upload.refusal for upload in received.files if upload.refusal)
    return received


class _Plain:
    """A body that is the image itself."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._file = _File(folder / "upload", "", UNNAMED, most_bytes)

    def take(self, part: bytes) -> None:
        self._file.write(part)

    def finish(self) -> Received:
        upload = self._file.whole()
        return Received([upload] if upload.size else [])

    def close(self) -> None:
        self._file.close()


class _Form:
    """A form with files, as its parts come (RFC 7578); the parser bounds their heads."""

    def __init__(
        self, folder: Path, boundary: bytes, file_fields: frozenset[str], most_bytes: int, most_files: int
    ) -> None:
        self._folder, self._file_fields = folder, file_fields
        self._most_bytes, self._most_files = most_bytes, most_files
        self._received, self._opened = Received(), 0
        self._head: dict[str, bytes] = {}
        self._key, self._value = bytearray(), bytearray()
        self._file: _File | None = None
        self._is_named = False
        self._field, self._text = "", bytearray()
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._key.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header,
                "on_headers_finished": self._headed,
                "on_part_data": lambda data, start, end: self._data(data[start:end]),
                "on_part_end": self._end,
                "on_end": self._all,
            },
        )

    def take(self, part: bytes) -> None:
        self._parser.write(part)

    def finish(self) -> Received:
        self._parser.finalize()
        if not self._ended:
            raise Problem(400, "The form is cut short: its closing boundary is missing.")
        return self._received

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _begin(self) -> None:
        self._head, self._file, self._field = {}, None, ""
        self._text = bytearray()

    def _header(self) -> None:
        self._head[self._key.decode("latin-1").lower()] = bytes(self._value)
        self._key, self._value = bytearray(), bytearray()

    def _headed(self) -> None:
        _, options = parse_options_header(self._head.get("content-disposition"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field not in self._file_fields:
            if b"filename" in options:
                known = " or ".join(sorted(self._file_fields))
                raise Problem(422, f"There is a file in the field {shown(self._field)}: send it as {known}.")
            return
        if self._opened == self._most_files:
            raise Problem(413, f"The form holds more than the {self._most_files} files allowed: send them in parts.")
        name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._is_named = bool(name)
        path = self._folder / f"upload-{self._opened}"
        self._file = _File(path, self._field, shown_name(name), self._most_bytes)
        self._opened += 1

    def _data(self, data: bytes) -> None:
        if self._file:
            self._file.write(data)
        elif len(self._text) + len(data) > LONGEST_FIELD:
            raise Problem(400, f"The field {shown(self._field)} has more than {LONGEST_FIELD} bytes.")
        else:
            self._text += data

    def _end(self) -> None:
        if self._file:
            upload, self._file = self._file.whole(), None
            # A browser sends a file field that nobody filled as one of no name and no bytes.
            if upload.size or self._is_named:
                self._received.files.append(upload)
        elif len(self._received.fields) == MOST_FIELDS:
            raise Problem(400, f"The form has more than {MOST_FIELDS} fields.")
        else:
            self._received.fields[self._field] = self._text.decode("utf-8", "replace")

    def _all(self) -> None:
        self._ended = True


class _File:
    """A file as it comes: what is no image of a known format is told by its first bytes, and not kept."""

    def __init__(self, path: Path, field: str, name: str, most: int) -> None:
        self._path, self._field, self._name, self._most = path, field, name, most
        self._stream: BinaryIO = path.open("xb")
        self._first = b""
        self._size = 0
        self._refusal: Problem | None = None

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise Problem(413, f"{self._name} has more than the {self._most} bytes allowed: send a smaller file.")
        if self._refusal:
            return
        self._stream.write(data)
        if len(self._first) < HEAD:
            self._first += data[: HEAD - len(self._first)]
            if len(self._first) == HEAD:
                self._look()

    def whole(self) -> Upload:
        self.close()
        if not self._size:
            self._refusal = Problem(422, f"{self._name} is empty: give a whole file.")
        elif len(self._first) < HEAD:
            self._look()
        return Upload(self._field, self._name, self._path, self._size, self._refusal)

    def _look(self) -> None:
        try:
            sniff(Path(self._name), self._first)
        except UnknownFormat as error:
            self._refusal = Problem(415, str(error))

    def close(self) -> None:
        self._stream.close()
