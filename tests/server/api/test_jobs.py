import asyncio
import io
import json
import zipfile
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from pellucid.server import errors
from pellucid.server.api import jobs as routes
from pellucid.server.jobs.files import JobFiles
from pellucid.server.jobs.queue import Jobs
from pellucid.server.settings import Settings

UNKNOWN = "f" * 32
CLEAN = b"clean "


@pytest.fixture
def settings(tmp_path):
    return Settings(spool=tmp_path / "spool")


@asynccontextmanager
async def client(settings, fake_pool, root=""):
    app, files = FastAPI(), JobFiles(settings.spool)
    errors.install(app)
    app.include_router(routes.router)
    jobs = Jobs(settings, files, fake_pool)
    app.state.settings, app.state.files, app.state.jobs = settings, files, jobs
    await jobs.start()
    transport = httpx.ASGITransport(app, root_path=root)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        try:
            yield found
        finally:
            fake_pool.go.set()
            await jobs.stop()
    assert not list((files.folder / "incoming").iterdir())


def image(content=b"one"):
    return b"P5\n" + content


def form(*contents, names=None, references=(), field="files"):
    names = names or [f"scan{number}.pgm" for number in range(len(contents))]
    return [
        *((field, (name, image(content))) for name, content in zip(names, contents, strict=True)),
        *(("references", (name, image(content))) for name, content in references),
    ]


async def finished(http, job):
    while job["status"] in ("queued", "running"):
        await asyncio.sleep(0.01)
        job = (await http.get(job["links"]["self"])).json()
    return job


async def submit(http, *contents, data=None, **more):
    answer = await http.post("/v1/jobs", files=form(*contents, **more), data=data or {})
    assert answer.status_code == 202, answer.text
    return answer.json()


def problem(answer, status):
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
    return answer.json()["detail"]


def test_a_job_is_accepted_followed_and_fetched(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with client(settings, fake_pool) as http:
            answer = await http.post("/v1/jobs", files=form(b"one"), data={"strength": "0.5", "sigma": "51"})
            job = answer.json()
            assert answer.status_code == 202 and answer.headers["location"] == f"/v1/jobs/{job['id']}"
            early = (
                await http.get(f"{job['links']['self']}/result"),
                await http.get(f"{job['links']['self']}/items/1/result"),
            )
            fake_pool.go.set()
            done = await finished(http, job)
            return job, early, done, await http.get(done["links"]["result"]), fake_pool.requests[0]

    job, early, done, result, request = asyncio.run(scenario())
    assert job["status"] in ("queued", "running") and job["progress"] == 0 and job["expires"] is None
    assert job["links"]["result"] is None and set(job["items"][0]["links"].values()) == {None}
    assert "not finished" in problem(early[0], 409) and "not done" in problem(early[1], 409)
    assert (done["status"], done["progress"], done["sigma"], done["strength"]) == ("done", 1, 51, 0.5)
    (item,) = done["items"]
    assert (item["number"], item["name"], item["status"], item["error"]) == (1, "scan0.pgm", "done", None)
    assert done["expires"] > done["created"] and item["metadata"]["width"] == 3
    assert result.content == CLEAN + image() and result.headers["content-type"] == "image/x-portable-anymap"
    assert "scan0-denoised.pgm" in result.headers["content-disposition"]
    assert (request.model, request.sigma, request.strength) == ("photo", 0.2, 0.5)


def test_existing_previews_are_linked(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            links = (await finished(http, await submit(http, b"one")))["items"][0]["links"]
            base = links["result"].removesuffix("result")
            return links, await http.get(links["before"]), [await http.get(base + kind) for kind in ("after", "odd")]

    links, before, (after, odd) = asyncio.run(scenario())
    assert links["after"] is None and links["difference"] is None
    assert before.content == image() and before.headers["content-type"] == "image/png"
    assert before.headers["content-disposition"].startswith("inline") and "no after" in problem(after, 404)
    assert problem(odd, 422)


def test_several_results_come_as_a_zip_with_what_failed(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            names = ["a.pgm", "b.pgm", "A.pgm"]
            job = await finished(http, await submit(http, b"one", b"damaged", b"three", names=names))
            return job, await http.get(job["links"]["result"])

    job, result = asyncio.run(scenario())
    assert [item["status"] for item in job["items"]] == ["done", "failed", "done"] and job["status"] == "done"
    assert (
        int(result.headers["content-length"]) == len(result.content)
        and result.headers["content-type"] == "application/zip"
        and "denoised.zip" in result.headers["content-disposition"]
    )
    with zipfile.ZipFile(io.BytesIO(result.content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {
        "a-denoised.pgm": CLEAN + image(b"one"),
        "A-denoised-2.pgm": CLEAN + image(b"three"),
        "failed.txt": b"b.pgm: scan.png is damaged: get it again\n",
    }


def mixed(*names):
    """Return a form of files, each with its field; those with the suffix .txt are no images."""
    return [(field, (name, b"no image" if name.endswith(".txt") else image())) for field, name in names]


async def events_of(http, job):
    """Return the events of a job, the last first."""
    text = (await http.get(job["links"]["events"])).text
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")][::-1]


def test_one_file_that_is_no_image_fails_by_itself(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with client(settings, fake_pool) as http:
            files = mixed(("files", "a.pgm"), ("files", "notes.txt"), ("files", "b.pgm"))
            answer = await http.post("/v1/jobs", files=files)
            early = await http.get(f"{answer.json()['links']['self']}/items/2/result")
            fake_pool.go.set()
            (last, *_) = await events_of(http, answer.json())
            again = await http.post(f"{last['links']['self']}/again", data={"strength": "0.5"})
            second = await finished(http, again.json())
            return answer, early, last, second, await http.get(second["links"]["result"]), fake_pool.requests

    answer, early, last, second, result, requests = asyncio.run(scenario())
    first = answer.json()
    assert answer.status_code == 202 and first["items"][1]["status"] == "failed" and first["items"][1]["progress"] == 1
    assert problem(early, 409)
    for job in (first, last, second):
        error = job["items"][1]["error"]
        assert error.startswith("notes.txt is not an image") and set(job["items"][1]["links"].values()) == {None}
    for job in (last, second):
        assert [item["status"] for item in job["items"]] == ["done", "failed", "done"] and job["status"] == "done"
    assert [request.name for request in requests] == ["a.pgm", "b.pgm"] * 2
    with zipfile.ZipFile(io.BytesIO(result.content)) as archive:
        assert archive.namelist() == ["a-denoised.pgm", "b-denoised.pgm", "failed.txt"]
        assert archive.read("failed.txt").decode() == f"{error}\n"


def test_files_of_which_none_is_an_image_are_refused(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            files = mixed(("files", "notes.txt"), ("references", "notes.pgm"))
            return [await http.post("/v1/jobs", files=some) for some in (files[:1], files[:1] * 2, files)]

    for answer in asyncio.run(scenario()):
        assert problem(answer, 415).startswith("notes.txt is not an image")


def test_a_job_of_which_nothing_is_done_says_why(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            job = await finished(http, await submit(http, b"damaged"))
            return job, await http.get(f"{job['links']['self']}/result")

    job, result = asyncio.run(scenario())
    assert job["status"] == "failed" and job["items"][0]["error"] == "scan.png is damaged: get it again"
    assert "get it again" in problem(result, 409) and job["links"]["result"] is None


def test_references_are_compared_with_their_images(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        async with client(settings, fake_pool) as http:
            references = [("b.png", b"clean b"), ("a.png", b"clean a")]
            await finished(http, await submit(http, b"one", b"two", names=["a.pgm", "b.pgm"], references=references))
            return [request.reference and request.reference.read_bytes() for request in fake_pool.requests]

    assert asyncio.run(scenario()) == [image(b"clean a"), image(b"clean b")]


def test_references_without_images_are_refused(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            return await http.post("/v1/jobs", files=form(references=[("a.pgm", b"clean")]))

    assert "send at least one as files" in problem(asyncio.run(scenario()), 422)


def test_invalid_options_are_refused(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            yield await http.post("/v1/jobs?strength=2", files=form(b"one"))
            yield await http.post("/v1/jobs", files=form(b"one"), data={"model": "nothing"})

    async def collected():
        return [answer async for answer in scenario()]

    first, second = asyncio.run(collected())
    assert "strength is 2" in problem(first, 422) and "model is nothing" in problem(second, 422)


def test_more_images_than_a_job_may_have_are_refused(settings, new_fake_pool):
    async def scenario():
        async with client(replace(settings, max_files=1), new_fake_pool()) as http:
            return [await http.post("/v1/jobs", files=form(*[b"one"] * count)) for count in (2, 3)]

    two, three = asyncio.run(scenario())
    assert "2 images, more than the 1 allowed" in problem(two, 413) and problem(three, 413)


def test_a_full_queue_says_when_to_retry(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with client(replace(settings, max_waiting=1), fake_pool) as http:
            job = await submit(http, b"one")
            return [await http.post("/v1/jobs", files=form(b"x", b"y")), await http.post(f"/v1/jobs/{job['id']}/again")]

    first, _ = asyncio.run(scenario())
    assert problem(first, 429) and first.headers["retry-after"] == "7"


def test_a_full_spool_accepts_nothing(settings, new_fake_pool):
    async def scenario():
        async with client(replace(settings, disk_budget=1000), new_fake_pool()) as http:
            return await http.post("/v1/jobs", files=form(b"x" * 2000))

    assert "disk budget" in problem(asyncio.run(scenario()), 507)


def test_a_huge_announced_size_removes_nothing(settings, new_fake_pool):
    async def scenario():
        async with client(replace(settings, disk_budget=10**9), new_fake_pool()) as http:
            job = await finished(http, await submit(http, b"one"))
            headers = {"Content-Length": str(10**18), "Content-Type": "image/x-portable-graymap"}
            answer = await http.post("/v1/jobs", content=image(), headers=headers)
            return answer, (await http.get(job["links"]["self"])).status_code

    answer, status = asyncio.run(scenario())
    assert answer.status_code == 202 and status == 200


def test_a_job_is_cancelled_and_then_removed(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with client(settings, fake_pool) as http:
            link = (await submit(http, b"one"))["links"]["self"]
            first = await http.delete(link)
            job = await finished(http, (await http.get(link)).json())
            result, second = await http.get(f"{link}/result"), await http.delete(link)
            return first, job, result, second, await http.get(link), await http.delete(link)

    first, job, result, second, gone, third = asyncio.run(scenario())
    assert (first.status_code, first.content, second.status_code) == (204, b"", 204)
    assert job["status"] == "cancelled" and "cancelled" in problem(result, 409)
    assert "no such job" in problem(gone, 404) and problem(third, 404)


def test_events_follow_a_job_to_its_end(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        fake_pool.go.clear()
        async with client(settings, fake_pool) as http:
            job = await submit(http, b"one", b"two")
            events = asyncio.create_task(http.get(job["links"]["events"]))
            await asyncio.sleep(0.3)
            fake_pool.go.set()
            return await events

    answer = asyncio.run(scenario())
    assert answer.headers["content-type"].startswith("text/event-stream")
    *parts, end = answer.text.split("\n\n")
    heads, jobs = zip(*((part.split("\n")[0], json.loads(part.split("\n")[1][6:])) for part in parts), strict=True)
    assert end == "" and set(heads) == {"event: job"}
    assert jobs[0]["status"] in ("queued", "running") and jobs[-1]["status"] == "done" and jobs[-1]["progress"] == 1


def test_a_job_is_run_again_with_other_options(settings, new_fake_pool):
    async def scenario():
        fake_pool = new_fake_pool()
        async with client(settings, fake_pool) as http:
            first = await finished(http, await submit(http, b"one", data={"strength": "0.5", "sigma": "51"}))
            link, jobs = f"{first['links']['self']}/again", [first]
            for data in ({"strength": "0.25"}, {"model": "photo-fast", "sigma": "auto"}):
                answer = await http.post(link, data=data)
                assert answer.status_code == 202
                jobs.append(await finished(http, answer.json()))
            refused = await http.post(link, data={"sigma": "300"})
            return jobs, refused, {request.source for request in fake_pool.requests}

    jobs, refused, sources = asyncio.run(scenario())
    assert [(job["strength"], job["sigma"], job["model"]) for job in jobs] == [
        (0.5, 51, "photo"),
        (0.25, 51, "photo"),
        (0.5, "auto", "photo-fast"),
    ]
    assert len({job["id"] for job in jobs}) == 3 and {job["status"] for job in jobs} == {"done"}
    assert "sigma is 300" in problem(refused, 422) and len(sources) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"data": {"strength": "0." + "1" * 70_000}}, 413),
        ({"files": {"strength": (None, "0." + "1" * 70_000)}}, 413),
        ({"files": {"files": ("a.pgm", b"P5")}}, 400),
        ({"files": {"strength": (None, "0.75")}}, 202),
        ({}, 202),
    ],
)
def test_a_repeated_job_accepts_only_options(settings, new_fake_pool, body, status):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            first = await finished(http, await submit(http, b"one", data={"strength": "0.75"}))
            return await http.post(f"{first['links']['self']}/again", **body)

    answer = asyncio.run(scenario())
    assert answer.status_code == status, answer.text
    assert status != 202 or answer.json()["strength"] == 0.75


@pytest.mark.parametrize("id", [UNKNOWN, "x", "..%2f..%2fetc%2fpasswd", "A" * 32])
def test_an_unknown_job_is_not_found(settings, new_fake_pool, id):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            for path in ("", "/events", "/result", "/items/1/result"):
                yield await http.get(f"/v1/jobs/{id}{path}")
            yield await http.post(f"/v1/jobs/{id}/again")

    async def collected():
        return [answer async for answer in scenario()]

    for answer in asyncio.run(collected()):
        assert problem(answer, 404)


def test_an_image_that_a_job_does_not_have_is_not_found(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            link = (await finished(http, await submit(http, b"one")))["links"]["self"]
            return [await http.get(f"{link}/items/{number}/result") for number in (2, 0)]

    two, none = asyncio.run(scenario())
    assert "none of number 2" in problem(two, 404) and problem(none, 422)


def test_links_include_the_path_of_a_proxy(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool(), root="/pellucid") as http:
            answer = await http.post("/pellucid/v1/jobs", files=form(b"one"))
            job = await finished(http, answer.json())
            return job, await http.get(job["links"]["result"])

    job, result = asyncio.run(scenario())
    assert job["links"]["self"].startswith("/pellucid/v1/jobs/") and result.status_code == 200


def test_the_body_may_be_the_image_itself(settings, new_fake_pool):
    async def scenario():
        async with client(settings, new_fake_pool()) as http:
            content, headers = image(), {"Content-Type": "image/x-portable-graymap"}
            return await finished(
                http, (await http.post("/v1/jobs?sigma=25.5", content=content, headers=headers)).json()
            )

    job = asyncio.run(scenario())
    assert (job["status"], job["sigma"], job["items"][0]["name"]) == ("done", 25.5, "image")
