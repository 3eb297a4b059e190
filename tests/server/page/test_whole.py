"""The page with the service itself, whose worker denoises with a small network."""

import io
import re
import zipfile

import numpy as np
import pytest
import tifffile

from .conftest import choose, served, wait_done

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
pytest.importorskip("fastapi", reason="needs the server extra")
expect = sync_api.expect


@pytest.fixture(scope="module")
def service(exported, tmp_path_factory):
    from pellucid.server.app import create_app
    from pellucid.server.settings import Settings

    spool = tmp_path_factory.mktemp("service") / "spool"
    settings = Settings(spool=spool, models=(str(exported), "photo-fast"), threads=1, engine="onnxruntime")
    with served(create_app(settings)) as address:
        yield address


@pytest.fixture
def scan(tmp_path):
    """A TIFF file of 16 bits, which browsers do not show."""
    values = np.random.default_rng(0).normal(30_000, 4000, (60, 80, 3)).clip(0, 65535).astype(np.uint16)
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, values, photometric="rgb")
    return path


def test_an_image_that_the_browser_cannot_show_keeps_its_format_and_depth(open_page, service, scan):
    page = open_page(service)
    expect(page.locator("#limits")).to_contain_text("TIFF")
    choose(page, scan)
    wait_done(page)
    expect(page.locator("#metadata")).to_contain_text("TIFF, 16 bits")
    expect(page.get_by_alt_text("scan.tif, before denoising")).to_have_js_property("naturalWidth", 80)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "scan-denoised.tif"
    result = tifffile.imread(io.BytesIO(download.value.path().read_bytes()))
    assert result.dtype == np.uint16 and result.shape == (60, 80, 3)


def test_settings_references_and_reloading_work_with_the_service(open_page, service, scan, photo):
    page = open_page(service)
    choose(page, scan)
    wait_done(page)
    page.get_by_role("radio", name="Manual").check()
    page.get_by_role("spinbutton", name="Noise level of 255").fill("20")
    page.get_by_role("spinbutton", name="Noise level of 255").press("Tab")
    expect(page.locator("#metadata")).to_contain_text("20.0 of 255")
    page.set_input_files("#reference-files", scan)
    # It is the image itself: before, nothing differs.
    expect(page.locator("#metadata")).to_contain_text("\u221e \u2192")
    page.get_by_label("Model", exact=True).select_option("photo-fast")
    expect(page.locator("#work")).to_be_hidden()
    expect(page.locator("#metadata")).to_contain_text("PSNR")
    page.reload()
    wait_done(page)
    expect(page.get_by_label("Model", exact=True)).to_have_value("photo-fast")
    expect(page.get_by_role("spinbutton", name="Noise level of 255")).to_have_value("20")


def test_a_damaged_file_and_a_text_file_show_an_error(open_page, service, photo, tmp_path):
    page = open_page(service)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(photo().read_bytes()[:20_000])
    choose(page, damaged)
    expect(page.get_by_role("alert")).to_contain_text("damaged.png")
    expect(page.locator("#placeholder")).to_be_visible()
    text = tmp_path / "notes.txt"
    text.write_text("This is no image.")
    choose(page, text)
    expect(page.get_by_role("alert")).to_contain_text("notes.txt")
    expect(page.get_by_role("button", name="Clean", exact=True)).to_be_visible()


def test_a_file_that_is_no_image_fails_alone(open_page, service, photo, tmp_path):
    page = open_page(service)
    notes = tmp_path / "notes.jpg"
    notes.write_text("This is no image.")
    choose(page, photo("one.png"), notes, photo("two.png"))
    wait_done(page)
    expect(page.get_by_role("alert")).to_contain_text("notes.jpg is not an image of a format that is supported")
    options = page.get_by_role("option")
    for index, state in enumerate(("done", "failed", "done")):
        expect(options.nth(index)).to_have_attribute("data-state", state)
    expect(options.nth(1)).to_contain_text("failed")
    expect(options.nth(1)).to_have_attribute("title", re.compile("^notes.jpg is not an image of a format"))
    options.nth(1).click()
    expect(page.locator("#placeholder")).to_contain_text("notes.jpg is not an image of a format")
    expect(page.get_by_role("link", name="Download", exact=True)).to_have_count(0)
    options.nth(2).click()
    wait_done(page)
    expect(page.locator("#placeholder")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as ZIP").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["one-denoised.png", "two-denoised.png", "failed.txt"]
        assert archive.read("failed.txt").startswith(b"notes.jpg is not an image")
