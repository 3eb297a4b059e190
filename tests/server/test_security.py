"""The token, the host's name, pages of other sites, and bounds on bodies."""

import asyncio

import httpx
import pytest
from starlette.datastructures import Headers

from pellucid.server.errors import Problem
from pellucid.server.security import RequestBody, SecurityMiddleware, max_body_bytes
from pellucid.server.settings import Settings

PUBLIC = ("/healthz", "/readyz", "/", "/openapi.json")
PROTECTED = ("/v1/models", "/metrics", "/v1/jobs/x", "/v1/nothing")


def status(
    path: str = "/v1/models", settings: Settings | None = None, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str]]:
    """Return the status and the headers of an answer; 200 if it reached the application."""
    sent, noted = [], []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    values = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in values.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": encoded, "state": {}}
    middleware = SecurityMiddleware(app, settings or Settings(), lambda scope, status, seconds: noted.append(status))
    asyncio.run(middleware(scope, receive, send))
    assert noted == [sent[0]["status"]]
    return sent[0]["status"], {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic secret", "Bearer secrets", "Bearer sécret"]
)
def test_without_the_token_a_request_is_refused(path, authorization):
    found, headers = status(
        path, Settings(token="secret"), **({"authorization": authorization} if authorization else {})
    )
    assert found == 401 and headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("authorization", ["Bearer secret", "bearer  secret "])
def test_with_the_token_a_request_is_allowed(authorization):
    assert status(settings=Settings(token="secret"), authorization=authorization)[0] == 200


@pytest.mark.parametrize("path", PUBLIC)
def test_the_page_and_health_are_public(path):
    assert status(path, Settings(token="secret"))[0] == 200


@pytest.mark.parametrize("path", PROTECTED)
def test_the_path_of_a_proxy_does_not_bypass_the_token(path):
    settings = Settings(token="secret", root_path="/pellucid")
    assert status(path, settings)[0] == 401
    assert status(f"/pellucid{path}", settings)[0] == 401


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("app.localhost", True),
        ("192.168.0.7", True),
        ("images.example", True),
        ("IMAGES.example:80", True),
        ("evil.example", False),
        ("localhost.evil.example:8000", False),
    ],
)
def test_a_local_service_has_only_known_host_names(host, is_known):
    settings = Settings(allow_hosts=("images.example",))
    assert status(settings=settings, host=host)[0] == (200 if is_known else 421)
    assert status(settings=Settings(host="0.0.0.0"), host=host)[0] == 200
    assert status(settings=Settings(token="secret"), host=host, authorization="Bearer secret")[0] == 200


def test_pages_of_other_sites_may_link_here_but_not_use_it():
    assert status(sec_fetch_site="cross-site", sec_fetch_mode="cors")[0] == 403
    assert status(sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 200
    assert status(method="POST", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 403
    assert status(sec_fetch_site="same-origin", sec_fetch_mode="cors")[0] == 200


def test_an_unexpected_error_is_a_problem_without_its_message():
    sent = []

    async def app(scope, receive, send):
        raise RuntimeError("the password is 1234")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": [], "state": {}}
    asyncio.run(SecurityMiddleware(app, Settings(), lambda *_: None)(scope, None, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 500 and b"1234" not in sent[1]["body"] and b"problem" not in sent[1]["body"]


@pytest.mark.parametrize(
    ("path", "kind", "length", "max_bytes"),
    [
        ("/v1/jobs", "multipart/form-data; boundary=x", "5000", 9000),
        ("/pellucid/v1/jobs", "Multipart/Form-Data; boundary=x", "5000", 9000),
        ("/v1/jobs", "multipart/form-data; boundary=x", None, 2000),
        ("/v1/jobs", "multipart/form-data; boundary=x", "many", 2000),
        ("/v1/jobs", "image/png", "5000", 2000),
        ("/v1/jobs/x/again", "multipart/form-data; boundary=x", "5000", 2000),
        ("/v1/denoise", "multipart/form-data; boundary=x", "5000", 2000),
    ],
)
def test_a_form_with_many_images_and_a_length_may_be_larger_than_one_image(path, kind, length, max_bytes):
    settings = Settings(max_bytes=2000, max_batch_bytes=9000, root_path="/pellucid")
    headers = Headers({"content-type": kind} | ({"content-length": length} if length else {}))
    assert max_body_bytes({"path": path}, headers, settings) == max_bytes


@pytest.mark.parametrize(("length", "is_late"), [(1000, True), (1_000_000, False)])
def test_a_batch_has_the_time_of_its_images(length, is_late):
    settings = Settings(max_bytes=1000, max_batch_bytes=1_000_000, idle_timeout=60, body_timeout=0.1)

    async def slow():
        await asyncio.sleep(0.3)
        return {"type": "http.request", "body": b"x", "more_body": True}

    body = RequestBody(slow, settings, Headers({"content-length": str(length)}), length)
    if is_late:
        with pytest.raises(Problem, match="408"):
            asyncio.run(body.receive())
    else:
        assert asyncio.run(body.receive())["body"] == b"x"


def size_problem(answer: httpx.Response) -> str:
    """Return the detail of the problem for a body that is too large."""
    assert answer.status_code == 413, answer.text
    return answer.json()["detail"]


def test_each_image_and_all_together_have_bounds_of_their_own(service, picture):
    image = picture("BMP", (120, 160))
    files = [("files", (f"{number}.bmp", image)) for number in range(20)]
    assert 1_000_000 < len(files) * len(image) < 3_000_000
    answer = service.client.post("/v1/jobs", files=files)
    assert answer.status_code == 202 and len(answer.json()["items"]) == 20
    service.client.delete(answer.json()["links"]["self"])
    assert "more than the 3000000 allowed" in size_problem(service.client.post("/v1/jobs", files=3 * files))
    large = ("files", ("large.bmp", image + bytes(1_000_000)))
    message = size_problem(service.client.post("/v1/jobs", files=[*files[:3], large]))
    assert message.startswith("large.bmp has more than the 1000000 bytes allowed")


def test_a_form_that_does_not_say_how_long_it_is_may_be_as_long_as_one_image(service, picture):
    content = httpx.Request("POST", service.address, files=[("files", ("a.bmp", picture("BMP", (600, 400))))] * 2)
    parts = (content.read()[start : start + 100_000] for start in range(0, len(content.read()), 100_000))
    headers = {"Content-Type": content.headers["content-type"]}
    assert "with a Content-Length" in size_problem(service.client.post("/v1/jobs", content=parts, headers=headers))
