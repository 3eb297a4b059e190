import io
import re
import zipfile

import pytest
from PIL import Image

from .conftest import done, give

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def test_an_image_comes_back_beside_what_it_was(page, fake, photo):
    expect(page.get_by_role("heading", name="Drop a photograph here")).to_be_visible()
    expect(page.locator("#limits")).to_have_text("PNG, JPEG, TIFF; up to 1 MB and 4 megapixels each, 2 MB together.")
    give(page, photo())
    done(page)
    wanted = {"model": "photo", "strength": "1", "sigma": "auto", "classifier": ""}
    assert fake.asked == [wanted | {"names": ["photo.png"], "references": 0}]
    expect(page.locator("#status")).to_have_text("photo.png is done. Noise level 12.3 of 255.")
    expect(page.locator("#estimate")).to_have_text("Found in this image: 12.3 of 255.")
    expect(page.get_by_alt_text("photo.png, after denoising")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("320 \u00d7 240")
    expect(page.locator("#work")).to_be_hidden()
    expect(page).to_have_title("photo.png \u2013 Pellucid")


def test_the_example_is_cleaned(page, fake):
    page.get_by_role("button", name="Try it on a noisy picture").click()
    done(page)
    assert fake.asked[0]["names"] == ["mountains.jpg"]


def test_a_change_of_strength_model_and_level_cleans_again_without_a_second_upload(page, fake, photo):
    give(page, photo())
    done(page)
    strength = page.get_by_role("slider", name="Strength")
    strength.press("ArrowLeft")
    expect(page.locator("#strength-value")).to_have_text("95\u2009%")
    page.get_by_role("radio", name="By hand").check()
    page.get_by_label("Noise level of 255").fill("25")
    page.get_by_label("Noise level of 255").press("Tab")
    expect(page.locator("#facts")).to_contain_text("25.0 of 255")
    page.get_by_label("Model", exact=True).select_option("digits")
    expect(page.locator("#model-summary")).to_have_text("For digits; for images of 28 \u00d7 28.")
    # It is told no level.
    expect(page.get_by_role("group", name="Noise level")).to_be_hidden()
    expect(page).to_have_url(re.compile("#job-4$"))
    told = [(asked["model"], asked["strength"], asked["sigma"]) for asked in fake.asked]
    # By hand begins at what was found, which is a level of its own.
    assert told == [
        *[("photo", "1", "auto"), ("photo", "0.95", "auto"), ("photo", "0.95", "12.3")],
        *[("photo", "0.95", "25"), ("digits", "0.95", "25")],
    ]


def test_a_level_that_cannot_be_is_not_sent(page, fake, photo):
    give(page, photo())
    done(page)
    page.get_by_role("radio", name="By hand").check()
    page.get_by_label("Noise level of 255").fill("300")
    page.get_by_label("Noise level of 255").press("Tab")
    page.get_by_label("Noise level of 255").fill("30")
    page.get_by_label("Noise level of 255").press("Tab")
    expect(page.locator("#facts")).to_contain_text("30.0 of 255")
    assert [asked["sigma"] for asked in fake.asked] == ["auto", "12.3", "30"]


def test_work_shows_how_far_it_is_and_can_be_cancelled(page, fake, photo):
    give(page, photo("slow.png"))
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 0.4)
    expect(page.locator("#work-text")).to_contain_text("Cleaning 40\u2009%")
    expect(page.get_by_alt_text("slow.png, before denoising")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#work")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    assert fake.jobs["job-0"]["status"] == "cancelled"


def test_cancelling_a_change_goes_back_to_what_was(page, fake, photo):
    give(page, photo())
    done(page)
    fake.files["job-0"] = [("slow.png", fake.files["job-0"][0][1])]
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page.locator("#work")).to_be_visible()
    expect(page.get_by_alt_text("photo.png, after denoising")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#strength-value")).to_have_text("100\u2009%")
    expect(page.get_by_role("link", name="Download")).to_have_attribute("href", re.compile("job-0/items/1/result"))
    assert page.evaluate("location.hash") == "#job-0"


def test_new_images_stop_those_under_way(page, fake, photo):
    give(page, photo("slow.png"))
    expect(page.locator("#work-text")).to_contain_text("Cleaning")
    give(page, photo())
    done(page)
    assert fake.jobs["job-0"]["status"] == "cancelled"


def test_a_damaged_image_says_why(page, photo):
    give(page, photo("broken.png"))
    expect(page.get_by_role("alert")).to_have_text("broken.png: the file is damaged: give a whole one")
    expect(page.locator("#plate")).to_contain_text("the file is damaged")
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_too_much_is_refused_before_it_is_sent(page, fake, tmp_path):
    def sized(name, size):
        (tmp_path / name).write_bytes(bytes(size))
        return tmp_path / name

    alert = page.get_by_role("alert")
    give(page, sized("large.png", 1_200_000))
    expect(alert).to_have_text("Larger than the 1 MB that this service takes: large.png (1.2 MB).")
    give(page, *(sized(f"{number}.png", 600_000) for number in range(1, 5)))
    expect(alert).to_have_text(
        "These 4 images are together 2.4 MB, and this service takes up to 2 MB at once: "
        "send the first 3, up to 3.png, and then the others."
    )
    give(page, *(sized(f"{number}.png", 1) for number in range(41)))
    expect(alert).to_have_text("These are 41 images, and this service takes up to 40 at once: send fewer.")
    assert fake.asked == []


def test_an_image_that_is_too_large_is_left_out(page, fake, photo, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(1_200_000))
    said = "Left out, since larger than the 1 MB that this service takes: large.png (1.2 MB)."
    give(page, photo("one.png"), large, photo("two.png"))
    done(page)
    expect(page.get_by_role("alert")).to_have_text(said)
    assert fake.asked[0]["names"] == ["one.png", "two.png"]
    give(page, photo("one.png"), large, photo("broken.png"))
    expect(page.get_by_role("alert")).to_have_text(f"{said} broken.png: the file is damaged: give a whole one")


def test_a_reference_that_is_too_large_is_not_sent(page, fake, photo, tmp_path):
    give(page, photo())
    done(page)
    large = tmp_path / "clean.png"
    large.write_bytes(bytes(1_200_000))
    page.set_input_files("#reference-files", large)
    expect(page.get_by_role("alert")).to_contain_text("clean.png (1.2 MB)")
    assert len(fake.asked) == 1


def test_sending_shows_how_much_is_sent_of_how_much(page, photo):
    line = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000}
    paths = [photo(f"{number}.png") for number in range(4)]
    size = sum(path.stat().st_size for path in paths)
    line.send("Network.emulateNetworkConditions", slow)
    give(page, *paths)
    expect(page.locator("#work-text")).to_have_text(
        re.compile(rf"Sending, \d+\s% of {size / 1000:.0f} kB, about [\d.]+ s left")
    )
    expect(page.locator("#progress")).to_have_attribute("value", re.compile(r"0\.\d"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Clean", exact=True)).to_be_visible()


def test_a_busy_service_is_asked_again(page, fake, photo):
    fake.is_busy = True
    give(page, photo())
    expect(page.locator("#work-text")).to_contain_text("The service is busy; again in 1 s")
    fake.is_busy = False
    done(page)
    assert len(fake.asked) == 1


def test_a_service_that_is_gone_is_named_and_the_image_can_be_sent_again(page, fake, photo):
    page.route("**/v1/jobs", lambda route: route.abort())
    give(page, photo())
    expect(page.get_by_role("alert")).to_have_text("The service does not answer. Is it still running?")
    page.unroute("**/v1/jobs")
    page.get_by_role("button", name="Clean", exact=True).click()
    done(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_reports_that_break_off_are_taken_up_again(page, fake, photo):
    page.route("**/events", lambda route: route.abort())
    give(page, photo("slow.png"))
    expect(page.locator("#work-text")).to_have_text("The service does not answer; trying again")
    page.unroute("**/events")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 0.4)
    fake.jobs["job-0"] |= {"status": "failed"}
    fake.jobs["job-0"]["items"][0] |= {"status": "failed", "error": "took too long"}
    expect(page.get_by_role("alert")).to_have_text("slow.png: took too long")


def test_the_result_is_downloaded_under_its_name(page, photo):
    give(page, photo())
    done(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "photo-denoised.png"
    with Image.open(download.value.path()) as result:
        assert result.size == (320, 240)


def test_a_batch_comes_back_as_one_archive(page, fake, photo):
    give(page, photo("one.png"), photo("broken.png"), photo("two.png", (64, 48)))
    images = page.get_by_role("listbox", name="Images")
    expect(images.get_by_role("option")).to_have_count(3)
    expect(images.get_by_role("option", name="broken.png")).to_contain_text("failed")
    expect(page.get_by_role("alert")).to_have_text("broken.png: the file is damaged: give a whole one")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all as ZIP").click()
    assert download.value.suggested_filename == "denoised.zip"
    names = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())).namelist()
    assert {"one.png", "two.png"} <= set(names)
    images.get_by_role("option", name="one.png").press("End")
    expect(page.locator("#facts")).to_contain_text("64 \u00d7 48")
    # Many images are not done anew with every touch of a slider.
    page.get_by_role("slider", name="Strength").press("Home")
    assert len(fake.asked) == 1
    page.get_by_role("button", name="Clean all again").click()
    expect(page.locator("#status")).to_have_text("2 of 3 done.")
    assert fake.asked[1]["strength"] == "0"


def test_a_reference_measures_the_result(page, fake, photo):
    give(page, photo())
    done(page)
    page.set_input_files("#reference-files", photo("clean.png", seed=1))
    expect(page.locator("#facts")).to_contain_text("20.17 → 31.02 dB")
    expect(page.locator("#facts")).to_contain_text("0.4000 → 0.9100")
    expect(page.locator("#reference-hint")).to_have_text("clean.png")
    expect(page.get_by_role("button", name="Choose Clean reference")).to_be_hidden()
    page.get_by_role("button", name="Remove Clean reference").click()
    expect(page.get_by_role("button", name="Choose Clean reference")).to_be_focused()
    expect(page.locator("#facts")).not_to_contain_text("PSNR")
    assert [asked["references"] for asked in fake.asked] == [0, 1, 0]


def test_digits_are_read_before_and_after(page, photo):
    page.get_by_label("Read the image with").select_option("digit-reader")
    give(page, photo("digit.png", (28, 28)))
    expect(page.locator("#facts")).to_contain_text("3 (60\u2009%) → 8 (97\u2009%)")


def test_the_address_brings_a_job_back(page, fake, photo):
    give(page, photo("first.png"))
    done(page)
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page).to_have_url(re.compile("#job-1$"))
    give(page, photo("second.png", (64, 48)))
    expect(page.locator("#facts")).to_contain_text("64 \u00d7 48")
    page.go_back()
    expect(page.locator("#title")).to_have_text("first.png")
    page.reload()
    done(page)
    expect(page.locator("#strength-value")).to_have_text("0\u2009%")
    expect(page.locator("#reference-hint")).to_contain_text("Drop the image again")
    page.go_back()
    expect(page.get_by_role("heading", name="Drop a photograph here")).to_be_visible()


def test_a_job_that_is_gone_is_named(page, address):
    page.goto(f"{address}#nothing")
    expect(page.get_by_role("alert")).to_have_text("there is no such job: it may have expired")


def test_what_has_expired_is_sent_again(page, fake, photo):
    give(page, photo())
    done(page)
    fake.jobs.clear()
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page).to_have_url(re.compile("#job-1$"))
    assert [asked["names"] for asked in fake.asked] == [["photo.png"]] * 2


def test_a_token_is_asked_for_once_and_goes_with_every_request(page, fake, photo):
    fake.token = "open sesame"
    page.reload()
    dialog = page.get_by_role("dialog", name="This service asks for a token")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_label("Token").press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("That token was not accepted.")
    dialog.get_by_label("Token").fill(fake.token)
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()
    give(page, photo())
    done(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "photo-denoised.png"
    page.reload()
    done(page)
