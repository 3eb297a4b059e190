"""Errors become problem documents; what nobody foresaw says nothing of itself."""

import json

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pellucid.errors import UsageError
from pellucid.server.errors import Problem, described, problem_of, response
from pellucid.server.workers.tasks import Busy, Failed, Refused


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Refused("too large", 413), 413, "too large"),
        (Failed("took too long", 504), 504, "took too long"),
        (Busy(9), 429, "again in 9 s"),
        (UsageError("sigma is 7"), 422, "sigma is 7"),
        (Problem(415, "send an image"), 415, "send an image"),
        (HTTPException(404), 404, "There is nothing here"),
        (RequestValidationError([{"loc": ("path", "number"), "msg": "is no number"}]), 422, "number: is no number"),
        (ZeroDivisionError("the password is 1234"), 500, "tell whoever runs it"),
    ],
)
def test_every_error_is_a_problem(error, status, words):
    answer = response(problem_of(error), "abc")
    found = json.loads(bytes(answer.body))
    assert answer.status_code == found["status"] == status and words in found["detail"] and found["title"]
    assert answer.media_type == "application/problem+json" and found["instance"] == "abc" and "1234" not in str(found)


def test_who_is_turned_away_hears_when_to_come_back():
    assert response(problem_of(Busy(9)), "").headers["retry-after"] == "9"


def test_a_problem_may_say_more():
    problem = Problem(507, "full", title="No room", headers={"X-A": "b"}, budget=10)
    answer = response(problem, "")
    found = json.loads(bytes(answer.body))
    assert found["title"] == "No room" and found["budget"] == 10 and answer.headers["x-a"] == "b"


def test_problems_are_described_once_a_status():
    assert set(described(404, 422)) == {404, 422}
