"""Errors become problem documents; an unexpected error does not show its message."""

import json

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from pellucid.errors import UsageError
from pellucid.server.errors import Problem, openapi_problems, problem_of, problem_response
from pellucid.server.workers.tasks import QueueFull, WorkFailed, WorkRefused


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (WorkRefused("too large", 413), 413, "too large"),
        (WorkFailed("took too long", 504), 504, "took too long"),
        (QueueFull(9), 429, "again in 9 s"),
        (UsageError("sigma is 7"), 422, "sigma is 7"),
        (Problem(415, "send an image"), 415, "send an image"),
        (HTTPException(404), 404, "There is nothing here"),
        (RequestValidationError([{"loc": ("path", "number"), "msg": "is no number"}]), 422, "number: is no number"),
        (ZeroDivisionError("the password is 1234"), 500, "give whoever runs it"),
    ],
)
def test_every_error_is_a_problem(error, status, text):
    answer = problem_response(problem_of(error), "abc")
    found = json.loads(bytes(answer.body))
    assert answer.status_code == found["status"] == status and text in found["detail"] and found["title"]
    assert answer.media_type == "application/problem+json" and found["instance"] == "abc" and "1234" not in str(found)


def test_a_full_queue_says_when_to_retry():
    assert problem_response(problem_of(QueueFull(9)), "").headers["retry-after"] == "9"


def test_a_problem_may_have_more_members():
    problem = Problem(507, "full", title="No space", headers={"X-A": "b"}, budget=10)
    answer = problem_response(problem, "")
    found = json.loads(bytes(answer.body))
    assert found["title"] == "No space" and found["budget"] == 10 and answer.headers["x-a"] == "b"


def test_each_status_has_one_description():
    assert set(openapi_problems(404, 422)) == {404, 422}
