import pytest
from fastapi.exceptions import RequestValidationError

from pellucid.server.errors import Problem, problem_of
from pellucid.server.jobs.database import Item, Job, JobOptions
from pellucid.server.schemas import JobRequestOptions, job_options, job_response, merge_options
from pellucid.server.settings import Settings

SETTINGS = Settings(models=("photo", "photo-fast"))
ID = "a" * 32


def parse(fields):
    return job_options(merge_options(JobRequestOptions(), fields), SETTINGS)


def test_options_have_defaults_and_an_empty_classifier_is_none():
    default = JobOptions("photo", 1.0, None, None)
    assert parse({}) == parse({"classifier": ""}) == default


def test_options_are_parsed():
    options = parse({"model": "photo-fast", "sigma": "51", "strength": "0.5", "other": "x"})
    assert options == JobOptions("photo-fast", 0.5, 0.2, None)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"model": "fotos"}, "model is fotos: choose one of photo, photo-fast"),
        ({"model": ""}, "model is empty: choose one of photo, photo-fast"),
        ({"sigma": ""}, "sigma is empty: give auto"),
        ({"strength": ""}, "strength is empty: give a number from 0 to 1"),
        ({"classifier": "digits"}, "classifier is digits: this service has none"),
        ({"sigma": "256"}, "sigma is 256: give auto, or a number from 0 to 255"),
        ({"sigma": "-1"}, "sigma is -1"),
        ({"sigma": "loud"}, "sigma is loud"),
        ({"strength": "nan"}, "strength is nan"),
        ({"strength": "2"}, "strength is 2: give a number from 0 to 1"),
        ({"strength": "a\nb"}, "strength is a b:"),
    ],
)
def test_an_error_names_the_option_and_its_allowed_values(fields, text):
    with pytest.raises((Problem, RequestValidationError)) as caught:
        parse(fields)
    problem = problem_of(caught.value)
    assert problem.status_code == 422 and text in problem.detail


def item(number, state, **more):
    return Item(ID, number, f"{number}.png", "b" * 32, state=state, **more)


def response(*items, finished=None, fractions=None, options=None, cancelled=False):
    job = Job(ID, 0.5, options or JobOptions("photo", 0.25, 0.1), items, finished, cancelled)
    return job_response(
        job, lambda item: (fractions or {}).get(item.number, float(item.state == "done")), 60.0, "/proxy"
    )


def test_the_progress_of_a_job_is_that_of_its_images():
    found = response(
        item(1, "done", metadata={"previews": []}), item(2, "running"), item(3, "queued"), fractions={1: 1, 2: 0.5}
    )
    assert (found.status, found.progress, found.expires) == ("running", 0.5, None)
    assert [(one.status, one.progress) for one in found.items] == [("done", 1), ("running", 0.5), ("queued", 0)]
    assert found.links.result is None and found.links.events == f"/proxy/v1/jobs/{ID}/events"


def test_a_finished_job_shows_when_it_expires():
    found = response(item(1, "done", metadata={"previews": ["before"]}), item(2, "failed", error="cut"), finished=100.0)
    assert found.model_dump_json().count("1970-01-01T00:02:40Z") == 1 and found.created.isoformat().endswith("+00:00")
    assert (found.status, found.progress, found.links.result) == ("done", 1, f"/proxy/v1/jobs/{ID}/result")
    first, second = found.items
    assert first.links.model_dump() == {
        "result": f"/proxy/v1/jobs/{ID}/items/1/result",
        "before": f"/proxy/v1/jobs/{ID}/items/1/before",
        "after": None,
        "difference": None,
    }
    assert second.error == "cut" and set(second.links.model_dump().values()) == {None}


@pytest.mark.parametrize(("sigma", "expected"), [(None, "auto"), (25 / 255, 25), (0.0, 0)])
def test_sigma_is_shown_as_it_was_sent(sigma, expected):
    assert response(item(1, "queued"), options=JobOptions("photo", 1.0, sigma)).sigma_255 == expected


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_results_has_no_link_to_one(state):
    found = response(item(1, state), finished=1.0, cancelled=state == "cancelled")
    assert found.status == state and found.links.result is None


def test_a_job_without_expiry_has_a_last_day():
    job = Job(ID, 0.5, JobOptions("photo"), (item(1, "failed"),), 1.0)
    found = job_response(job, lambda item: 1.0, 1e300, "")
    assert found.expires and found.expires.year == 9999
