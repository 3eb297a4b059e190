"""Uploads, streamed into a folder of the spool; this process decodes no image and uses no client's name as a path."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from pellucid.errors import UnknownFormat
from pellucid.image.formats import HEAD_BYTES, sniff
from pellucid.server.errors import Problem
from pellucid.server.filenames import UNNAMED, printable, printable_name
from pellucid.server.jobs.queue import NewItem
from pellucid.server.security import max_body_bytes
from pellucid.server.workers.tasks import QueueFull
from pellucid.utils.atomic_write import error_reason

BINARY = "application/octet-stream"
FORM = "multipart/form-data"
MAX_FIELD_BYTES, MAX_FIELDS = 1000, 50


@dataclass(frozen=True)
class Upload:
    """A received file.

    Attributes:
        field: its field in the form; empty if the body is the image itself.
        name: the client's name for it, printable; never used as a path.
        path: of the file; if there is an error, it holds only the beginning.
        size: in bytes, as sent.
        error: why it cannot be used, judged by its first bytes, or None.
    """

    field: str
    name: str
    path: Path
    size: int
    error: Problem | None


@dataclass
class ReceivedBody:
    """The files and text fields of a request's body."""

    files: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def admit(request: Request) -> AsyncIterator[Path]:
    """Yield a new folder for an upload that is processed at once, if the queue and the disk have space.

    Raises:
        QueueFull: if the queue is full; nothing need be sent then.
        QuotaExceeded: if the disk quota is used up.
    """
    pool = request.app.state.pool
    if pool.is_full:
        raise QueueFull(pool.retry_after)
    async with reserve_space(request) as folder:
        yield folder


@asynccontextmanager
async def reserve_space(request: Request) -> AsyncIterator[Path]:
    """Yield a new folder for an upload, with its bytes reserved in the disk quota.

    Raises:
        QuotaExceeded: if the disk quota is used up.
    """
    settings, files, jobs = (getattr(request.app.state, name) for name in ("settings", "files", "jobs"))
    limit = max_body_bytes(request.scope, request.headers, settings)
    length = request.headers.get("content-length", "")
    size = min(int(length), limit) if length.isdecimal() else limit
    with jobs.quota.reserve(size), files.temporary_folder() as folder:
        await jobs.quota.free_space()
        yield folder


async def receive(
    request: Request, folder: Path, file_fields: Collection[str], max_bytes: int, max_files: int = 1
) -> ReceivedBody:
    """Stream a request's body into a folder: a form with files, or the image itself.

    Args:
        request: `pellucid.server.security` limits its body as a whole.
        folder: an empty folder of the service.
        file_fields: the form's fields that may hold files.
        max_bytes: the limit for each file.
        max_files: the limit for the number of files.

    Raises:
        Problem: 400 for a malformed form, 413 for too many files or one that is too large, 415 for an unsupported type
            of body or if no file has a supported format, 422 for unknown file fields or a missing file, 507 if the disk
            is full.
        ClientDisconnect: if the client has disconnected.
    """
    parser = _parser(request, folder, frozenset(file_fields), max_bytes, max_files)
    try:
        async for part in request.stream():
            parser.feed(part)
        received = parser.finish()
    except FormParserError as error:
        raise Problem(400, f"The form cannot be read ({printable(str(error))}).") from error
    except OSError as error:
        if isinstance(error, ClientDisconnect):
            raise
        raise Problem(507, f"The service cannot keep the upload: {error_reason(error)}") from error
    finally:
        parser.close()
    if not received.files:
        raise Problem(422, f"There is no image: send one as {min(file_fields)}, or as the body itself.")
    errors = [upload.error for upload in received.files]
    if errors[0] and all(errors):
        raise errors[0]
    return received


def match_references(files: Sequence[Upload], references: Sequence[Upload]) -> list[NewItem]:
    """Return the items of a new job, each with its reference.

    A reference belongs to the image with the same name without suffix; if names differ and there are as many references
    as images, to the image at the same position. An item has an error if it or its reference cannot be used.

    Raises:
        Problem: 422 if the references cannot be matched; the first error, if no item can be used.
    """
    if not files:
        raise Problem(422, "There is no image: send at least one as files.")
    stems = [Path(file.name).stem.casefold() for file in files]
    by_stem = {Path(reference.name).stem.casefold(): reference for reference in references}
    if set(by_stem) <= set(stems) and len(by_stem) == len(references):
        matching = [by_stem.get(stem) for stem in stems]
    elif len(references) == len(files):
        matching = references
    else:
        raise Problem(
            422,
            f"There are {len(references)} references for {len(files)} images, and not all with their names: send one "
            "for each in the same order, or name them as their images.",
        )
    pairs = list(zip(files, matching, strict=True))
    errors = [file.error or (reference and reference.error) for file, reference in pairs]
    if errors[0] and all(errors):
        raise errors[0]
    return [
        NewItem(file.name, file.path, reference and reference.path, error and str(error.detail))
        for (file, reference), error in zip(pairs, errors, strict=True)
    ]


def _parser(
    request: Request, folder: Path, file_fields: frozenset[str], max_bytes: int, max_files: int
) -> "_BinaryParser | _FormParser":
    """Return the parser for the type of a body."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    media_type = kind.decode("latin-1").lower()
    if media_type == FORM:
        boundary = options.get(b"boundary")
        if not boundary:
            raise Problem(400, "The form has no boundary: let the HTTP library write its Content-Type.")
        return _FormParser(folder, boundary, file_fields, max_bytes, max_files)
    if media_type in ("", BINARY) or media_type.startswith("image/"):
        return _BinaryParser(folder, max_bytes)
    raise Problem(
        415,
        f"A body of type {printable(media_type)} is not supported: send the image itself as image/* or {BINARY}, or a "
        f"{FORM} with the image as {min(file_fields)}.",
        headers={"Accept-Post": f"image/*, {BINARY}, {FORM}"},
    )


class _BinaryParser:
    """A body that is the image itself."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._file = _UploadFile(folder / "upload", "", UNNAMED, max_bytes)

    def feed(self, part: bytes) -> None:
        self._file.write(part)

    def finish(self) -> ReceivedBody:
        upload = self._file.finish()
        return ReceivedBody([upload] if upload.size else [])

    def close(self) -> None:
        self._file.close()


class _FormParser:
    """A form with files (RFC 7578), part by part; python-multipart limits the headers of a part."""

    def __init__(
        self, folder: Path, boundary: bytes, file_fields: frozenset[str], max_bytes: int, max_files: int
    ) -> None:
        self._folder, self._file_fields = folder, file_fields
        self._max_bytes, self._max_files = max_bytes, max_files
        self._received, self._num_files = ReceivedBody(), 0
        self._headers: dict[str, bytes] = {}
        self._key, self._value = bytearray(), bytearray()
        self._file: _UploadFile | None = None
        self._is_named = False
        self._field, self._text = "", bytearray()
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": lambda data, start, end: self._key.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": lambda data, start, end: self._on_part_data(data[start:end]),
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def feed(self, part: bytes) -> None:
        self._parser.write(part)

    def finish(self) -> ReceivedBody:
        self._parser.finalize()
        if not self._is_complete:
            raise Problem(400, "The form is cut short: its closing boundary is missing.")
        return self._received

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _on_part_begin(self) -> None:
        self._headers, self._file, self._field = {}, None, ""
        self._text = bytearray()

    def _on_header_end(self) -> None:
        self._headers[self._key.decode("latin-1").lower()] = bytes(self._value)
        self._key, self._value = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field not in self._file_fields:
            if b"filename" in options:
                known = " or ".join(sorted(self._file_fields))
                raise Problem(422, f"There is a file in the field {printable(self._field)}: send it as {known}.")
            return
        if self._num_files == self._max_files:
            raise Problem(413, f"The form holds more than the {self._max_files} files allowed: send them in parts.")
        name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._is_named = bool(name)
        path = self._folder / f"upload-{self._num_files}"
        self._file = _UploadFile(path, self._field, printable_name(name), self._max_bytes)
        self._num_files += 1

    def _on_part_data(self, data: bytes) -> None:
        if self._file:
            self._file.write(data)
        elif len(self._text) + len(data) > MAX_FIELD_BYTES:
            raise Problem(400, f"The field {printable(self._field)} has more than {MAX_FIELD_BYTES} bytes.")
        else:
            self._text += data

    def _on_part_end(self) -> None:
        if self._file:
            upload, self._file = self._file.finish(), None
            # A browser sends an empty file field as a file without name and bytes.
            if upload.size or self._is_named:
                self._received.files.append(upload)
        elif len(self._received.fields) == MAX_FIELDS:
            raise Problem(400, f"The form has more than {MAX_FIELDS} fields.")
        else:
            self._received.fields[self._field] = self._text.decode("utf-8", "replace")

    def _on_end(self) -> None:
        self._is_complete = True


class _UploadFile:
    """A file that is being received; only the first bytes are kept if they show an unsupported format."""

    def __init__(self, path: Path, field: str, name: str, max_bytes: int) -> None:
        self._path, self._field, self._name, self._max_bytes = path, field, name, max_bytes
        self._stream: BinaryIO = path.open("xb")
        self._head = b""
        self._size = 0
        self._error: Problem | None = None

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._max_bytes:
            raise Problem(413, f"{self._name} has more than the {self._max_bytes} bytes allowed: send a smaller file.")
        if self._error:
            return
        self._stream.write(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._check_format()

    def finish(self) -> Upload:
        self.close()
        if not self._size:
            self._error = Problem(422, f"{self._name} is empty: send the whole file.")
        elif len(self._head) < HEAD_BYTES:
            self._check_format()
        return Upload(self._field, self._name, self._path, self._size, self._error)

    def close(self) -> None:
        self._stream.close()

    def _check_format(self) -> None:
        try:
            sniff(Path(self._name), self._head)
        except UnknownFormat as error:
            self._error = Problem(415, str(error))
