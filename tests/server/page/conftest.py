"""A browser, a fake service, and a page without errors."""

import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHROMIUM = Path(shutil.which("chromium") or "/usr/bin/chromium")
TIMEOUT = 30_000  # milliseconds


@contextmanager
def served(app) -> Iterator[str]:
    """Serve an application on a free port, and yield its address."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs the server extra")
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


# Of a module, not of the session: while playwright runs, other tests in this thread cannot run an event loop.
@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium")
    sync_api.expect.set_options(timeout=TIMEOUT)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def application():
    pytest.importorskip("fastapi", reason="needs the server extra")
    from .fake_service import application

    app = application()
    with served(app) as address:
        app.state.address = address
        yield app


@pytest.fixture
def fake(application):
    """The state of the fake service: its behavior, and the requests that it received."""
    application.state.fake = type(application.state.fake)()
    return application.state.fake


@pytest.fixture
def address(application) -> str:
    return application.state.address


def is_error(message) -> bool:
    """Return whether a message of the console is an error; failed requests are part of the tests."""
    return message.type == "error" and "Failed to load resource" not in message.text


@pytest.fixture
def open_page(browser):
    """Return a function that opens an address; at the end, no page may have had an error or violated its policy."""
    contexts, errors = [], []

    def open_at(address, width=1280, height=800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: is_error(message) and errors.append(message.text))
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page, address, fake):
    """The page, open_page."""
    return open_page(address)


def choose(page, *paths):
    """Choose files."""
    page.set_input_files("#files", paths)


def wait_done(page):
    """Wait until the result of an image is shown."""
    from playwright.sync_api import expect

    expect(page.locator("#stage")).to_have_attribute("data-has", re.compile("after"))


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """Return a function that writes a noisy image and returns its path."""
    folder = tmp_path_factory.mktemp("photos")

    def make(name="photo.png", size=(320, 240), seed=0):
        path = folder / name
        noise = np.random.default_rng(seed).normal(0, 25, (size[1], size[0], 3))
        ramp = np.linspace(40, 210, size[0])[None, :, None]
        Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8)).save(path)
        return path

    return make
