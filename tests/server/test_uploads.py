"""Uploads in parts of any size and with any fields, and references for them."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from pellucid.server.errors import Problem
from pellucid.server.uploads import ReceivedBody, Upload, admit, match_references, receive
from pellucid.server.workers.tasks import QueueFull

PNG = b"\x89PNG\r\n\x1a\n and more"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


def parse(
    folder, body: bytes, kind: str = "multipart/form-data; boundary=x", step: int = 1000, **options
) -> ReceivedBody:
    """Return what `receive` returns for a body that arrives in parts of `step` bytes."""
    parts = [body[start : start + step] for start in range(0, len(body), step)] or [b""]
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in parts]
    coming = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def next_part():
        return next(coming)

    headers = [(b"content-type", kind.encode())] if kind else []
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, next_part)
    options = {"file_fields": ("file",), "max_bytes": 10_000} | options
    return asyncio.run(receive(request, folder, **options))


def refused(status: int, *arguments, **options) -> str:
    with pytest.raises(Problem) as caught:
        parse(*arguments, **options)
    assert caught.value.status_code == status
    return caught.value.detail


@settings(max_examples=40)
@given(content=st.binary(max_size=600), step=st.integers(1, 50))
def test_a_form_is_the_same_in_parts_of_any_size(tmp_path_factory, content, step):
    folder = tmp_path_factory.mktemp("spool")
    body = part("sigma", b"25") + part("file", PNG + content, "../../etc/a.png") + part("odd", "ü".encode()) + b"--x--"
    found = parse(folder, body, step=step)
    (upload,) = found.files
    assert upload.path.read_bytes() == PNG + content and upload.size == len(PNG + content)
    assert upload.path.parent == folder and (upload.name, upload.field, upload.error) == ("a.png", "file", None)
    assert found.fields == {"sigma": "25", "odd": "ü"}


def test_several_files_are_stored(tmp_path, tmp_path_factory):
    body = part("files", PNG + b"1", "a.png") + part("files", PNG + b"2", "a.png") + part("other", PNG + b"3", "b.png")
    found = parse(tmp_path, body + b"--x--", file_fields=("files", "other"), max_files=3)
    assert [(upload.field, upload.name, upload.path.read_bytes()[-1:]) for upload in found.files] == [
        ("files", "a.png", b"1"),
        ("files", "a.png", b"2"),
        ("other", "b.png", b"3"),
    ]
    assert "more than the 2 files" in refused(
        413, tmp_path_factory.mktemp("other"), body + b"--x--", file_fields=("files", "other"), max_files=2
    )


@pytest.mark.parametrize("kind", ["", "image/png", "application/octet-stream"])
def test_a_body_may_be_the_image(tmp_path, kind):
    (upload,) = parse(tmp_path, PNG, kind, step=3).files
    assert upload.path.read_bytes() == PNG and upload.error is None and upload.field == ""


@pytest.mark.parametrize(
    ("status", "text", "body"),
    [
        (400, "cut short", part("file", PNG, "a.png")),
        (400, "cut short", b"--x\r\nContent-Disposition: form-data"),
        (400, "cannot be read", b"--y\r\n"),
        (400, "field a has more than", part("a", b"1" * 1001) + b"--x--"),
        (400, "header size exceeded", b"--x\r\nX-Long: " + b"1" * 9000 + b"\r\n\r\n\r\n--x--"),
        (
            400,
            "more than 50 fields",
            b"".join(part(str(n), b"") for n in range(51)) + b"--x--",
        ),
        (422, "no image", part("file", b"", "") + b"--x--"),
        (422, "no image", b"--x--"),
        (422, "a.png is empty", part("file", b"", "a.png") + b"--x--"),
        (422, "in the field b", part("b", PNG, "a.png") + b"--x--"),
        (415, "notes.txt is not an image", part("file", b"Dear diary", "notes.txt") + b"--x--"),
        (415, "a GIF file", part("file", b"GIF89a...", "a.png") + b"--x--"),
    ],
)
def test_an_error_of_a_form_is_named(tmp_path, status, text, body):
    assert text in refused(status, tmp_path, body)


@pytest.mark.parametrize("step", [1, 100, 10_000])
def test_one_of_several_files_that_is_no_image_has_an_error_and_is_not_stored(tmp_path, step):
    body = part("file", b"Dear diary" * 900, "notes.jpg") + part("file", PNG * 500, "b.png") + b"--x--"
    notes, picture = parse(tmp_path, body, step=step, max_files=2).files
    assert notes.error and notes.error.status_code == 415 and "notes.jpg is not an image" in notes.error.detail
    assert notes.size == 9000 and notes.path.stat().st_size < 256 + min(step, 9000) + 1
    assert picture.error is None and picture.path.read_bytes() == PNG * 500


def test_if_no_file_is_an_image_the_first_error_is_raised(tmp_path):
    body = part("file", b"Dear diary", "a.txt") + part("file", b"GIF89a", "b.gif") + b"--x--"
    assert refused(415, tmp_path, body, max_files=2).startswith("a.txt is not an image")


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "application/x-www-form-urlencoded"])
def test_other_types_of_bodies_are_refused(tmp_path, kind):
    assert f"type {kind} is not supported" in refused(415, tmp_path, PNG, kind)


def test_a_form_without_a_boundary_is_refused(tmp_path):
    assert "boundary" in refused(400, tmp_path, PNG, "multipart/form-data")


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_a_file_that_is_too_large_is_refused_before_all_of_it_arrived(tmp_path, kind):
    name, body = ("image", PNG * 500) if kind == "image/png" else ("b.png", part("file", PNG * 500, "b.png"))
    message = refused(413, tmp_path, body, kind, step=100, max_bytes=1000)
    assert message.startswith(f"{name} has more than the 1000 bytes allowed")
    (left,) = tmp_path.iterdir()
    assert left.stat().st_size <= 1000


def test_files_may_together_be_larger_than_one(tmp_path):
    body = b"".join(part("file", PNG * 40, f"{number}.png") for number in range(5)) + b"--x--"
    assert len(parse(tmp_path, body, max_bytes=len(PNG) * 40, max_files=5).files) == 5


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    import errno

    from pellucid.server import uploads

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads._UploadFile, "write", full)
    assert "the disk is full" in refused(507, tmp_path, PNG, "image/png")


def test_nothing_is_received_while_the_queue_is_full():
    state = SimpleNamespace(settings=None, files=None, jobs=None, pool=SimpleNamespace(is_full=True, retry_after=7))
    request = Request({"type": "http", "headers": [], "app": SimpleNamespace(state=state)})

    async def main():
        async with admit(request):
            raise AssertionError

    with pytest.raises(QueueFull) as full:
        asyncio.run(main())
    assert full.value.retry_after == 7


def received(*names: str) -> list[Upload]:
    """Return uploads with these names; those with the suffix .txt are no images."""
    return [
        Upload("", name, Path(f"spool-{name}"), 3, Problem(415, f"{name} is none") if name.endswith(".txt") else None)
        for name in names
    ]


@pytest.mark.parametrize(
    ("names", "references", "matched"),
    [
        (["a.pgm", "b.pgm"], [], [None, None]),
        (["a.pgm", "b.pgm"], ["B.PNG"], [None, "B.PNG"]),
        (["a.pgm", "b.pgm"], ["b.png", "a.png"], ["a.png", "b.png"]),
        (["a.pgm", "b.pgm"], ["1.png", "2.png"], ["1.png", "2.png"]),
        (["a.pgm"], ["other.png"], ["other.png"]),
    ],
)
def test_references_are_matched_with_their_images(names, references, matched):
    found = match_references(received(*names), received(*references))
    assert [(upload.name, upload.source, upload.error) for upload in found] == [
        (name, Path(f"spool-{name}"), None) for name in names
    ]
    assert [upload.reference for upload in found] == [name and Path(f"spool-{name}") for name in matched]


@pytest.mark.parametrize(
    ("names", "references", "text"),
    [
        (["a.pgm", "b.pgm"], ["c.pgm"], "1 references for 2 images"),
        (["a.pgm"], ["a.pgm", "A.pgm"], "2 references for 1 images"),
        ([], ["a.pgm"], "send at least one as files"),
    ],
)
def test_references_without_images_are_refused(names, references, text):
    with pytest.raises(Problem, match=text) as caught:
        match_references(received(*names), received(*references))
    assert caught.value.status_code == 422


@pytest.mark.parametrize(
    ("names", "references", "errors"),
    [
        (["a.pgm", "b.txt"], [], [None, "b.txt is none"]),
        (["a.txt", "b.pgm"], ["b.png"], ["a.txt is none", None]),
        (["a.pgm", "b.pgm"], ["b.txt"], [None, "b.txt is none"]),
    ],
)
def test_a_file_that_cannot_be_used_fails_alone(names, references, errors):
    assert [upload.error for upload in match_references(received(*names), received(*references))] == errors


@pytest.mark.parametrize(
    ("names", "references"), [(["a.txt"], []), (["a.txt", "b.txt"], []), (["b.pgm"], ["a.txt"]), (["a.txt"], ["a.pgm"])]
)
def test_if_no_file_can_be_used_the_first_error_is_raised(names, references):
    with pytest.raises(Problem, match=r"a\.txt is none") as caught:
        match_references(received(*names), received(*references))
    assert caught.value.status_code == 415
