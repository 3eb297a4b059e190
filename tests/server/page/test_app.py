import io
import re
import zipfile

import pytest
from PIL import Image

from .conftest import choose, wait_done

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def test_a_result_is_shown_beside_its_image(page, fake, photo):
    expect(page.get_by_role("heading", name="Drop a photograph here")).to_be_visible()
    expect(page.locator("#limits")).to_have_text("PNG, JPEG, TIFF; up to 1 MB and 4 megapixels each, 2 MB together.")
    choose(page, photo())
    wait_done(page)
    expected = {"model": "photo", "strength": "1", "sigma": "auto", "classifier": ""}
    assert fake.requests == [expected | {"names": ["photo.png"], "references": 0}]
    expect(page.locator("#status")).to_have_text("photo.png is done. Noise level 12.3 of 255.")
    expect(page.locator("#estimate")).to_have_text("Estimated for this image: 12.3 of 255.")
    expect(page.get_by_alt_text("photo.png, after denoising")).to_be_visible()
    expect(page.locator("#metadata")).to_contain_text("320 \u00d7 240")
    expect(page.locator("#work")).to_be_hidden()
    expect(page).to_have_title("photo.png \u2013 Pellucid")


def test_the_example_is_cleaned(page, fake):
    page.get_by_role("button", name="Try it on a noisy photograph").click()
    wait_done(page)
    assert fake.requests[0]["names"] == ["mountains.jpg"]


def test_a_change_of_settings_denoises_again_without_a_second_upload(page, fake, photo):
    choose(page, photo())
    wait_done(page)
    strength = page.get_by_role("slider", name="Strength")
    strength.press("ArrowLeft")
    expect(page.locator("#strength-value")).to_have_text("95\u2009%")
    page.get_by_role("radio", name="Manual").check()
    page.get_by_label("Noise level of 255").fill("25")
    page.get_by_label("Noise level of 255").press("Tab")
    expect(page.locator("#metadata")).to_contain_text("25.0 of 255")
    page.get_by_label("Model", exact=True).select_option("digits")
    expect(page.locator("#model-summary")).to_have_text("For digits; for images of 28 \u00d7 28.")
    # It is not conditioned on the noise level.
    expect(page.get_by_role("group", name="Noise level")).to_be_hidden()
    expect(page).to_have_url(re.compile("#job-4$"))
    sent = [(request["model"], request["strength"], request["sigma"]) for request in fake.requests]
    # The manual level starts at the estimate, which is another value than auto.
    assert sent == [
        *[("photo", "1", "auto"), ("photo", "0.95", "auto"), ("photo", "0.95", "12.3")],
        *[("photo", "0.95", "25"), ("digits", "0.95", "25")],
    ]


def test_an_invalid_noise_level_is_not_sent(page, fake, photo):
    choose(page, photo())
    wait_done(page)
    page.get_by_role("radio", name="Manual").check()
    page.get_by_label("Noise level of 255").fill("300")
    page.get_by_label("Noise level of 255").press("Tab")
    page.get_by_label("Noise level of 255").fill("30")
    page.get_by_label("Noise level of 255").press("Tab")
    expect(page.locator("#metadata")).to_contain_text("30.0 of 255")
    assert [request["sigma"] for request in fake.requests] == ["auto", "12.3", "30"]


def test_work_shows_progress_and_can_be_cancelled(page, fake, photo):
    choose(page, photo("slow.png"))
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 0.4)
    expect(page.locator("#work-text")).to_contain_text("Cleaning 40\u2009%")
    expect(page.get_by_alt_text("slow.png, before denoising")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#work")).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    assert fake.jobs["job-0"]["status"] == "cancelled"


def test_cancelling_a_change_restores_the_last_result(page, fake, photo):
    choose(page, photo())
    wait_done(page)
    fake.files["job-0"] = [("slow.png", fake.files["job-0"][0][1])]
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page.locator("#work")).to_be_visible()
    expect(page.get_by_alt_text("photo.png, after denoising")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#strength-value")).to_have_text("100\u2009%")
    expect(page.get_by_role("link", name="Download")).to_have_attribute("href", re.compile("job-0/items/1/result"))
    assert page.evaluate("location.hash") == "#job-0"


def test_new_images_cancel_the_running_job(page, fake, photo):
    choose(page, photo("slow.png"))
    expect(page.locator("#work-text")).to_contain_text("Cleaning")
    choose(page, photo())
    wait_done(page)
    assert fake.jobs["job-0"]["status"] == "cancelled"


def test_a_damaged_image_shows_its_error(page, photo):
    choose(page, photo("broken.png"))
    expect(page.get_by_role("alert")).to_have_text("broken.png: the file is damaged: give a whole one")
    expect(page.locator("#placeholder")).to_contain_text("the file is damaged")
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def test_too_much_is_refused_before_it_is_sent(page, fake, tmp_path):
    def sized(name, size):
        (tmp_path / name).write_bytes(bytes(size))
        return tmp_path / name

    alert = page.get_by_role("alert")
    choose(page, sized("large.png", 1_200_000))
    expect(alert).to_have_text("Larger than the 1 MB that this service accepts: large.png (1.2 MB).")
    choose(page, *(sized(f"{number}.png", 600_000) for number in range(1, 5)))
    expect(alert).to_have_text(
        "These 4 images have together 2.4 MB, and this service accepts up to 2 MB at once: "
        "send the first 3, up to 3.png, and then the others."
    )
    choose(page, *(sized(f"{number}.png", 1) for number in range(41)))
    expect(alert).to_have_text("These are 41 images, and this service accepts up to 40 at once: send fewer.")
    assert fake.requests == []


def test_an_image_that_is_too_large_is_skipped(page, fake, photo, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(bytes(1_200_000))
    message = "Skipped, larger than the 1 MB that this service accepts: large.png (1.2 MB)."
    choose(page, photo("one.png"), large, photo("two.png"))
    wait_done(page)
    expect(page.get_by_role("alert")).to_have_text(message)
    assert fake.requests[0]["names"] == ["one.png", "two.png"]
    choose(page, photo("one.png"), large, photo("broken.png"))
    expect(page.get_by_role("alert")).to_have_text(f"{message} broken.png: the file is damaged: give a whole one")


def test_a_reference_that_is_too_large_is_not_sent(page, fake, photo, tmp_path):
    choose(page, photo())
    wait_done(page)
    large = tmp_path / "clean.png"
    large.write_bytes(bytes(1_200_000))
    page.set_input_files("#reference-files", large)
    expect(page.get_by_role("alert")).to_contain_text("clean.png (1.2 MB)")
    assert len(fake.requests) == 1


def test_sending_shows_its_progress(page, photo):
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000}
    paths = [photo(f"{number}.png") for number in range(4)]
    size = sum(path.stat().st_size for path in paths)
    session.send("Network.emulateNetworkConditions", slow)
    choose(page, *paths)
    expect(page.locator("#work-text")).to_have_text(
        re.compile(rf"Sending, \d+\s% of {size / 1000:.0f} kB, about [\d.]+ s left")
    )
    expect(page.locator("#progress")).to_have_attribute("value", re.compile(r"0\.\d"))
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Clean", exact=True)).to_be_visible()


def test_a_busy_service_is_tried_again(page, fake, photo):
    fake.is_busy = True
    choose(page, photo())
    expect(page.locator("#work-text")).to_contain_text("The service is busy; again in 1 s")
    fake.is_busy = False
    wait_done(page)
    assert len(fake.requests) == 1


def test_a_service_that_is_gone_is_named_and_the_image_can_be_sent_again(page, fake, photo):
    page.route("**/v1/jobs", lambda route: route.abort())
    choose(page, photo())
    expect(page.get_by_role("alert")).to_have_text("The service does not answer. Is it still running?")
    page.unroute("**/v1/jobs")
    page.get_by_role("button", name="Clean", exact=True).click()
    wait_done(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_lost_events_are_opened_again(page, fake, photo):
    page.route("**/events", lambda route: route.abort())
    choose(page, photo("slow.png"))
    expect(page.locator("#work-text")).to_have_text("The service does not answer; trying again")
    page.unroute("**/events")
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 0.4)
    fake.jobs["job-0"] |= {"status": "failed"}
    fake.jobs["job-0"]["items"][0] |= {"status": "failed", "error": "took too long"}
    expect(page.get_by_role("alert")).to_have_text("slow.png: took too long")


def test_the_result_is_downloaded_under_its_name(page, photo):
    choose(page, photo())
    wait_done(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "photo-denoised.png"
    with Image.open(download.value.path()) as result:
        assert result.size == (320, 240)


def test_a_batch_comes_back_as_one_archive(page, fake, photo):
    choose(page, photo("one.png"), photo("broken.png"), photo("two.png", (64, 48)))
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
    expect(page.locator("#metadata")).to_contain_text("64 \u00d7 48")
    # Many images are not denoised again at each move of a slider.
    page.get_by_role("slider", name="Strength").press("Home")
    assert len(fake.requests) == 1
    page.get_by_role("button", name="Clean all again").click()
    expect(page.locator("#status")).to_have_text("2 of 3 done.")
    assert fake.requests[1]["strength"] == "0"


def test_a_reference_measures_the_result(page, fake, photo):
    choose(page, photo())
    wait_done(page)
    page.set_input_files("#reference-files", photo("clean.png", seed=1))
    expect(page.locator("#metadata")).to_contain_text("20.17 → 31.02 dB")
    expect(page.locator("#metadata")).to_contain_text("0.4000 → 0.9100")
    expect(page.locator("#reference-hint")).to_have_text("clean.png")
    expect(page.get_by_role("button", name="Choose Clean reference")).to_be_hidden()
    page.get_by_role("button", name="Remove Clean reference").click()
    expect(page.get_by_role("button", name="Choose Clean reference")).to_be_focused()
    expect(page.locator("#metadata")).not_to_contain_text("PSNR")
    assert [request["references"] for request in fake.requests] == [0, 1, 0]


def test_images_are_classified_before_and_after(page, photo):
    page.get_by_label("Classify with").select_option("digit-classifier")
    choose(page, photo("digit.png", (28, 28)))
    expect(page.locator("#metadata")).to_contain_text("3 (60\u2009%) → 8 (97\u2009%)")


def test_the_address_restores_a_job(page, fake, photo):
    choose(page, photo("first.png"))
    wait_done(page)
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page).to_have_url(re.compile("#job-1$"))
    choose(page, photo("second.png", (64, 48)))
    expect(page.locator("#metadata")).to_contain_text("64 \u00d7 48")
    page.go_back()
    expect(page.locator("#title")).to_have_text("first.png")
    page.reload()
    wait_done(page)
    expect(page.locator("#strength-value")).to_have_text("0\u2009%")
    expect(page.locator("#reference-hint")).to_contain_text("Drop the image again")
    page.go_back()
    expect(page.get_by_role("heading", name="Drop a photograph here")).to_be_visible()


def test_a_job_that_is_gone_is_named(page, address):
    page.goto(f"{address}#nothing")
    expect(page.get_by_role("alert")).to_have_text("there is no such job: it may have expired")


def test_an_expired_job_is_sent_again(page, fake, photo):
    choose(page, photo())
    wait_done(page)
    fake.jobs.clear()
    page.get_by_role("slider", name="Strength").press("Home")
    expect(page).to_have_url(re.compile("#job-1$"))
    assert [request["names"] for request in fake.requests] == [["photo.png"]] * 2


def test_a_token_is_asked_for_once_and_sent_with_every_request(page, fake, photo):
    fake.token = "open sesame"
    page.reload()
    dialog = page.get_by_role("dialog", name="This service needs a token")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_label("Token").press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("That token was not accepted.")
    dialog.get_by_label("Token").fill(fake.token)
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_be_hidden()
    choose(page, photo())
    wait_done(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "photo-denoised.png"
    page.reload()
    wait_done(page)
