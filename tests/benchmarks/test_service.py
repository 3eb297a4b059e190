import asyncio
import io
import json
import os
import sqlite3
import subprocess
import sys
import zipfile

import httpx
import numpy as np
import pytest

pytest.importorskip("httpx")

JOB = {"id": "j", "items": [{"status": "done", "error": None}], "links": {"result": "/result", "self": "/v1/jobs/j"}}
JOB["links"]["events"] = "/events"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(1, flush=True)
input()
"""
PROBLEM = {"type": "about:blank", "title": "No", "status": 415, "detail": "no", "instance": "1"}


@pytest.fixture
def clients(part):
    """Clients of a service that answers as the test says."""
    images, made = part("service_parts.images"), part("service_parts.clients")

    def clients(answers):
        http = httpx.AsyncClient(base_url="http://test", transport=httpx.MockTransport(answers))
        good = [images.Good("a.png", b"noisy", b"clean")]
        bad = [images.Bad("cut.png", b"half", (415,))]
        return made.Clients(http, good, bad, 1000, 0)

    return clients


def act(client, kind):
    asyncio.run(getattr(client, kind)())
    return client.counts


def test_another_image_than_the_command_lines_is_a_wrong_answer(clients):
    assert act(clients(lambda request: httpx.Response(200, content=b"clean")), "good").wrong == []
    (wrong,) = act(clients(lambda request: httpx.Response(200, content=b"blurred")), "good").wrong
    assert "a.png" in wrong


@pytest.mark.parametrize(
    ("status", "headers", "count"), [(429, {"Retry-After": "1"}, 0), (429, {}, 1), (500, {}, 1), (200, {}, 1)]
)
def test_other_answers_than_the_expected_one(clients, status, headers, count):
    assert len(act(clients(lambda request: httpx.Response(status, headers=headers)), "good").wrong) == count


@pytest.mark.parametrize(
    ("status", "content", "kind", "count"),
    [
        (415, PROBLEM, "application/problem+json", 0),
        (500, PROBLEM, "application/problem+json", 1),
        (415, PROBLEM, "application/json", 1),
        (415, {"detail": "no"}, "application/problem+json", 1),
    ],
)
def test_a_refusal_has_to_be_a_problem_document(clients, status, content, kind, count):
    answer = httpx.Response(status, content=json.dumps(content), headers={"Content-Type": kind})
    assert len(act(clients(lambda request: answer), "bad").wrong) == count


@pytest.mark.parametrize(
    ("last", "result", "count"),
    [({"status": "done"}, b"clean", 0), ({"status": "running"}, b"clean", 1), ({"status": "done"}, b"blurred", 1)],
)
def test_a_job_has_to_end_with_the_right_images(clients, last, result, count):
    def answers(request):
        request.read()
        if request.method == "POST":
            states["items"] = [{"status": "done", "error": None}] * request.content.count(b"noisy")
            states["items"] += [{"status": "failed", "error": "cut"}] * request.content.count(b"half")
            return httpx.Response(202, json=JOB | {"status": "queued"} | states, headers={"Location": "/v1/jobs/j"})
        if request.url.path == "/events":
            return httpx.Response(200, text=f"event: job\ndata: {json.dumps(JOB | states | last)}\n\n")
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200, content=archive(states["items"], result))

    states = {}
    counts = act(clients(answers), "job")
    assert len(counts.wrong) == count, counts.wrong
    assert counts.accepted == counts.ended == {"/v1/jobs/j"}


def archive(items, result):
    if len(items) == 1:
        return result
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as found:
        for number, item in enumerate(items):
            found.writestr(f"{number}.png" if item["status"] == "done" else "failed.txt", result)
    return stream.getvalue()


def test_a_missing_job_is_lost_unless_its_client_removed_it(clients):
    def answers(request):
        if request.method == "POST":
            return httpx.Response(202, json=JOB | {"status": "queued"}, headers={"Location": "/v1/jobs/j"})
        return httpx.Response(204 if request.method == "DELETE" else 404)

    counts = act(clients(answers), "cancelled_job")
    assert counts.accepted == counts.ended == {"/v1/jobs/j"} and not counts.wrong
    client = clients(answers)
    client.counts.accepted.add("/v1/jobs/j")
    counts = act(client, "wait_until_done")
    assert counts.accepted - counts.ended == {"/v1/jobs/j"} and "not there any more" in counts.wrong[0]


def test_a_result_that_was_replaced_is_detected(part, tmp_path):
    record = part("service_parts.crash_recovery").Record()
    result = tmp_path / "results" / "j" / "1" / "result"
    result.parent.mkdir(parents=True)
    database = sqlite3.connect(tmp_path / "jobs.sqlite3")
    database.execute("CREATE TABLE items (job, number, state)")
    database.execute("INSERT INTO items VALUES ('j', 1, 'done')")
    database.commit()
    database.close()
    result.write_bytes(b"clean")
    for _ in range(2):
        record.update(tmp_path)
    assert record.replaced == set()
    other = result.with_name("other")
    other.write_bytes(b"clean")
    other.replace(result)
    record.update(tmp_path)
    assert record.replaced == {("j", 1)}


def test_pictures_are_the_same_on_every_run_and_of_the_requested_kind(part):
    picture = part("service_parts.images").picture
    np.testing.assert_array_equal(picture(3), picture(3))
    assert picture(1, 32, 1, 16).shape == (32, 32) and picture(1, 32, 1, 16).dtype == np.uint16
    assert picture(1, 32).shape == (32, 32, 3) and (picture(1) != picture(2)).any()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_memory_is_that_of_a_process_and_its_children(part, tmp_path):
    serving = part("service_parts.service_process")
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=pipe, stdout=pipe, stderr=null) as process:
        assert process.stdout and process.stdout.readline() == b"1\n"
        service = serving.Service("http://test", process, tmp_path)
        parent, child = serving.process_tree(process.pid)
        assert parent == process.pid and serving.is_alive(child) and service.memory() > 2_000_000
        service.kill()
        assert not serving.is_alive(child)
    assert serving.is_alive(os.getpid())


def test_the_second_and_the_last_tenth_of_the_time_are_compared(part):
    slices = part("service_parts.load")._slices
    assert slices([float(number) for number in range(100)]) == (
        [float(number) for number in range(10, 20)],
        [float(number) for number in range(90, 100)],
    )
    assert slices([1.0]) == ([1.0], [1.0])


def test_a_missed_bar_or_a_part_that_cannot_run_fails_the_program(part, monkeypatch, tmp_path, capsys):
    service, verdict = part("service"), part("service_parts.service_process").Verdict

    def absent(size):
        raise part("photo_parts.tables").PartSkipped("there is no chromium")

    parts = {"load": lambda size: [verdict("load", f"{size.minutes} minutes", "0", True)], "page": absent}
    monkeypatch.setattr(service, "PARTS", parts)
    assert service.main(["--parts", "load", "--minutes", "2.5"]) == 0
    assert "2.5 minutes" in capsys.readouterr().out
    assert service.main(["--quick", "--json", str(tmp_path / "found.json")]) == 1
    assert "there is no chromium" in (printed := capsys.readouterr().out) and "NOT REACHED" in printed
    assert [row["is_reached"] for row in json.loads((tmp_path / "found.json").read_text())] == [True, False]
