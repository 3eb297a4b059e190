import pytest

from pellucid.server.jobs.database import Item, Job, Options
from pellucid.server.responses import view

ID = "a" * 32


def item(number, state, **more):
    return Item(ID, number, f"{number}.png", "b" * 32, state=state, **more)


def seen(*items, finished=None, shares=None, options=None, cancelled=False):
    job = Job(ID, 0.5, options or Options("photo", 0.25, 0.1), items, finished, cancelled)
    return view(job, lambda item: (shares or {}).get(item.number, float(item.state == "done")), 60.0, "/proxy")


def test_a_job_under_way_is_as_far_as_its_images():
    found = seen(item(1, "done", facts={"previews": []}), item(2, "running"), item(3, "queued"), shares={1: 1, 2: 0.5})
    assert (found.status, found.progress, found.expires) == ("running", 0.5, None)
    assert [(one.status, one.progress) for one in found.items] == [("done", 1), ("running", 0.5), ("queued", 0)]
    assert found.links.result is None and found.links.events == f"/proxy/v1/jobs/{ID}/events"


def test_a_finished_job_says_until_when_it_is_kept():
    found = seen(item(1, "done", facts={"previews": ["before"]}), item(2, "failed", error="cut"), finished=100.0)
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


@pytest.mark.parametrize(("sigma", "shown"), [(None, "auto"), (25 / 255, 25), (0.0, 0)])
def test_the_level_is_shown_as_it_is_given(sigma, shown):
    assert seen(item(1, "queued"), options=Options("photo", 1.0, sigma)).sigma == shown


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_without_results_has_no_link_to_one(state):
    found = seen(item(1, state), finished=1.0, cancelled=state == "cancelled")
    assert found.status == state and found.links.result is None


def test_a_job_that_is_kept_for_ever_has_a_last_day():
    job = Job(ID, 0.5, Options("photo"), (item(1, "failed"),), 1.0)
    found = view(job, lambda item: 1.0, 1e300, "")
    assert found.expires and found.expires.year == 9999
