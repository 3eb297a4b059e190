"""The replies of a worker, and the messages between it and the web process."""

import dataclasses
import io
import json
from pathlib import Path

import pytest

from pellucid.errors import Cancelled, PellucidError, TooLarge, UnknownFormat, UsageError
from pellucid.server.settings import Settings
from pellucid.server.workers import worker
from pellucid.server.workers.tasks import WorkRefused, WorkRequest

REQUEST = WorkRequest("denoise", Path("/spool/x/upload"), Path("/spool/x/result"), "photo", 0.1, name="photo.png")


class FakePipe:
    cancelled = False

    def progress(self, done, total):
        return not self.cancelled


class FailingHost:
    def __init__(self, error):
        self.error = error

    def process(self, request, progress):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (TooLarge("/spool/x/upload is too large"), 413, "photo.png is too large"),
        (PellucidError("upload is damaged"), 422, "photo.png is damaged"),
        (UsageError("the model takes 28x28 alone"), 422, "the model takes 28x28 alone"),
        (UnknownFormat("/spool/x/upload is a video"), 415, "photo.png is a video"),
        (PellucidError("cannot write /spool/x/result: the disk is full"), 422, "cannot write the result: the disk"),
        (WorkRefused("no such model", 415), 415, "no such model"),
        (MemoryError(), 413, "photo.png needs more memory"),
    ],
)
def test_every_error_becomes_a_reply(error, status, text):
    reply = worker.handle(FailingHost(error), REQUEST, FakePipe())  # type: ignore[arg-type]
    assert reply["status"] == status and text in reply["refused"] and "/spool" not in reply["refused"]


def test_an_unexpected_error_is_reported_without_its_message(capsys):
    reply = worker.handle(FailingHost(ZeroDivisionError("/secret")), REQUEST, FakePipe())  # type: ignore[arg-type]
    assert reply == {"failed": "the work on photo.png failed: ZeroDivisionError"}
    assert "/secret" in capsys.readouterr().err


def test_requests_and_settings_survive_json(tmp_path):
    settings = Settings(spool=tmp_path, models=("photo",), classifiers=(tmp_path / "a.onnx",), allow_hosts=("a",))
    for value, parse in ((REQUEST, worker.work_request_from), (settings, worker.settings_from)):
        assert parse(json.loads(json.dumps(dataclasses.asdict(value), default=str))) == value


def test_a_cancelled_request_is_reported_as_cancelled():
    assert worker.handle(FailingHost(Cancelled("after 1 of 4 tiles")), REQUEST, FakePipe()) == {"cancelled": True}  # type: ignore[arg-type]


def test_progress_is_reported_at_intervals(monkeypatch):
    monkeypatch.setattr(worker.threading.Thread, "start", lambda self: None)
    output = io.BytesIO()
    pipe = worker.WorkerPipe(io.BytesIO(), output)
    pipe.send({"first": 1})
    assert all(pipe.progress(done, 1000) for done in range(1000))
    first, *fractions = map(json.loads, output.getvalue().splitlines())
    assert first == {"first": 1} and fractions[0] == {"progress": 0.0} and len(fractions) < 500
    pipe.cancelled.set()
    assert not pipe.progress(1, 2)
