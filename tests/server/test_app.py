import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

fastapi = pytest.importorskip("fastapi", reason="needs the server extra")
testclient = pytest.importorskip("fastapi.testclient", reason="needs httpx")

from pellucid.server import app as page  # noqa: E402

MAX_BYTES = 100_000
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# What the page itself loads: the example is fetched only when it is asked for.
OWN = sorted(path.name for path in page.PAGE.iterdir())


@pytest.fixture
def client():
    app = fastapi.FastAPI()
    page.add_page(app)
    return testclient.TestClient(app)


def address(name):
    return "/" if name == "index.html" else f"/static/{name}"


def test_every_file_of_the_page_is_served_and_nothing_else(client):
    assert {Path(name).suffix for name in OWN} == set(TYPES)
    for name in OWN:
        response = client.get(address(name))
        assert response.status_code == 200 and response.content == (page.PAGE / name).read_bytes()
        assert response.headers["content-type"] == TYPES[Path(name).suffix]
        head = client.head(address(name))
        assert head.status_code == 200 and head.content == b"" and head.headers["etag"] == response.headers["etag"]
    assert client.get("/static/example.jpg").content[:2] == b"\xff\xd8"
    for name in ("index.html", "nothing.js", "..%2f..%2froutes%2fpage.py", "%2fetc%2fpasswd", "app.py", "app.js/"):
        assert client.get(f"/static/{name}", follow_redirects=False).status_code in (404, 307), name


def test_the_page_is_small():
    assert sum((page.PAGE / name).stat().st_size for name in OWN) < MAX_BYTES


def test_an_unchanged_file_is_not_sent_again(client):
    tag = client.get("/static/app.js").headers["etag"]
    again = client.get("/static/app.js", headers={"If-None-Match": f'"other", {tag}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == tag
    assert client.get("/static/app.js", headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_policy_lets_only_the_service_itself_in(client):
    headers = client.get("/").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; ") if " " in part)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not re.search(r"unsafe|https?:|\*", headers["content-security-policy"])
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"


class Links(HTMLParser):
    """Gathers what a page loads, and what it holds inline."""

    def __init__(self):
        super().__init__()
        self.found, self.inline = [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.found += [value for key, value in named.items() if key in ("src", "href") and value]
        self.inline += [key for key in named if key.startswith("on") or key == "style"]
        if tag == "style" or (tag == "script" and "src" not in named):
            self.inline.append(tag)


def test_the_page_loads_its_own_files_alone_and_holds_no_script_or_style_inline():
    links = Links()
    links.feed((page.PAGE / "index.html").read_text(encoding="utf-8"))
    assert links.inline == []
    assert {link.removeprefix("static/") for link in links.found} <= set(OWN)
    for name in OWN:
        text = (page.PAGE / name).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}, name


def test_every_script_that_is_imported_is_there():
    for name in OWN:
        if name.endswith(".js"):
            imported = re.findall(r'from "\./([^"]+)"', (page.PAGE / name).read_text(encoding="utf-8"))
            assert set(imported) <= set(OWN), name


def test_every_element_that_a_script_asks_for_is_in_the_page():
    html = (page.PAGE / "index.html").read_text(encoding="utf-8")
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    for name in OWN:
        if name.endswith(".js"):
            text = (page.PAGE / name).read_text(encoding="utf-8")
            wanted = re.findall(r'\bfind\("([^"]+)"\)|\bon\("([^"]+)"|"#([\w-]+)"', text)
            assert {next(filter(None, found)) for found in wanted} <= set(ids), name
