"""What a worker answers, and how it is spoken with."""

import dataclasses
import io
import json
from pathlib import Path

import pytest

from pellucid.errors import Cancelled, PellucidError, TooLarge, UnknownFormat, UsageError
from pellucid.server.settings import Settings
from pellucid.server.workers import worker
from pellucid.server.workers.tasks import Order, Refused

ORDER = Order("denoise", Path("/spool/x/upload"), Path("/spool/x/result"), "photo", 0.1, name="photo.png")


class Line:
    cancelled = False

    def progress(self, done, total):
        return not self.cancelled


class Raising:
    def __init__(self, error):
        self.error = error

    def do(self, order, tell):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (TooLarge("/spool/x/upload is too large"), 413, "photo.png is too large"),
        (PellucidError("upload is damaged"), 422, "photo.png is damaged"),
        (UsageError("the model takes 28x28 alone"), 422, "the model takes 28x28 alone"),
        (UnknownFormat("/spool/x/upload is a video"), 415, "photo.png is a video"),
        (PellucidError("cannot write /spool/x/result: the disk is full"), 422, "cannot write the result: the disk"),
        (Refused("no such model", 415), 415, "no such model"),
        (MemoryError(), 413, "photo.png takes more memory"),
    ],
)
def test_every_error_becomes_an_answer(error, status, words):
    told = worker.answer(Raising(error), ORDER, Line())  # type: ignore[arg-type]
    assert told["status"] == status and words in told["refused"] and "/spool" not in told["refused"]


def test_what_nobody_foresaw_is_told_without_its_words(capsys):
    told = worker.answer(Raising(ZeroDivisionError("/secret")), ORDER, Line())  # type: ignore[arg-type]
    assert told == {"failed": "the work on photo.png failed: ZeroDivisionError"}
    assert "/secret" in capsys.readouterr().err


def test_orders_and_settings_survive_json(tmp_path):
    settings = Settings(spool=tmp_path, models=("photo",), classifiers=(tmp_path / "a.onnx",), allow_hosts=("a",))
    for value, made in ((ORDER, worker.order_from), (settings, worker.settings_from)):
        assert made(json.loads(json.dumps(dataclasses.asdict(value), default=str))) == value


def test_a_cancelled_order_is_told_as_such():
    assert worker.answer(Raising(Cancelled("after 1 of 4 tiles")), ORDER, Line()) == {"cancelled": True}  # type: ignore[arg-type]


def test_progress_is_told_now_and_then(monkeypatch):
    monkeypatch.setattr(worker.threading.Thread, "start", lambda self: None)
    told = io.BytesIO()
    line = worker.Line(io.BytesIO(), told)
    line.tell({"first": 1})
    assert all(line.progress(done, 1000) for done in range(1000))
    first, *shares = map(json.loads, told.getvalue().splitlines())
    assert first == {"first": 1} and shares[0] == {"progress": 0.0} and len(shares) < 500
    line.cancelled.set()
    assert not line.progress(1, 2)
