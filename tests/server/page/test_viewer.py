import io
import re

import numpy as np
import pytest
from PIL import Image

from .conftest import choose, wait_done

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect


def pixels_of(page):
    """Return the pixels of the stage."""
    shot = page.locator("#stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(float)


def frame(page, layer="before"):
    """Return x, y, width and height of a layer in the window."""
    return page.locator(f"[data-layer={layer}] img").bounding_box()


def hide_marks(page):
    """Hide the elements above the image."""
    for selector in ("#divider", ".tag"):
        page.locator(selector).evaluate_all("found => found.forEach(each => { each.style.visibility = 'hidden'; })")


@pytest.fixture
def viewed(page, photo):
    """The page with an image of 320x240 that is done."""
    choose(page, photo())
    wait_done(page)
    return page


def noise(pixels):
    return np.abs(np.diff(pixels, axis=1)).mean()


def test_left_of_the_line_is_before_and_right_of_it_after(viewed):
    hide_marks(viewed)
    box, stage = frame(viewed), viewed.locator("#stage").bounding_box()
    left, top = round(box["x"] - stage["x"]), round(box["y"] - stage["y"])
    picture = pixels_of(viewed)[top : top + round(box["height"]), left : left + round(box["width"])]
    middle = picture.shape[1] // 2
    assert noise(picture[:, : middle - 4]) > 4 * noise(picture[:, middle + 4 :])


def test_the_line_follows_the_mouse_and_the_keys(viewed):
    line = viewed.get_by_role("slider", name="Line between before and after")
    grip, box = viewed.locator(".grip").bounding_box(), frame(viewed)
    viewed.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2)
    viewed.mouse.down()
    viewed.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 20, steps=3)
    viewed.mouse.up()
    expect(line).to_have_value("25")
    expect(line).to_have_attribute("aria-valuetext", "25 percent before, 75 percent after")
    assert viewed.locator("[data-layer=after]").evaluate("layer => layer.style.clipPath").startswith("inset(0")
    line.press("ArrowRight")
    expect(line).to_have_value("26")
    line.press("End")
    expect(line).to_have_value("100")
    expect(viewed.locator(".tag-after")).to_have_css("opacity", "0")
    line.press("Home")
    expect(viewed.locator(".tag-before")).to_have_css("opacity", "0")


def test_a_click_in_an_image_that_fits_moves_the_line_there(viewed):
    box = frame(viewed)
    viewed.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + 10)
    expect(viewed.locator("#split")).to_have_value("80")


def test_pixels_are_squares_when_enlarged(viewed):
    viewed.get_by_role("button", name="Pixel for pixel").click()
    expect(viewed.locator("#scale")).to_have_text("100\u2009%")
    assert frame(viewed)["width"] == 320
    for _ in range(3):
        viewed.get_by_role("button", name="Zoom in").click()
    expect(viewed.locator("#scale")).to_have_text("400\u2009%")
    hide_marks(viewed)
    box, stage = frame(viewed), viewed.locator("#stage").bounding_box()
    top, left = round(stage["y"] - box["y"]) % 4, round(stage["x"] - box["x"]) % 4
    pixels = pixels_of(viewed)[(4 - top) % 4 :, (4 - left) % 4 :][:200, :200]
    blocks = pixels.reshape(50, 4, 50, 4, 3)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0
    assert np.ptp(blocks[:, 0, :, 0], axis=(0, 1)).min() > 20


def test_the_wheel_zooms_where_the_mouse_is(viewed):
    box = frame(viewed)
    x, y = box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6
    viewed.mouse.move(x, y)
    viewed.mouse.wheel(0, -480)
    expect(viewed.locator("#stage")).to_have_class(re.compile("pannable"))
    grown = frame(viewed)
    assert grown["width"] == pytest.approx(4 * box["width"], rel=0.01)
    assert (x - grown["x"]) / grown["width"] == pytest.approx(0.3, abs=0.01)
    assert (y - grown["y"]) / grown["height"] == pytest.approx(0.6, abs=0.01)


def test_an_image_larger_than_its_frame_is_panned_by_mouse_and_keys_within_the_frame(viewed):
    stage = viewed.get_by_role("group", name=re.compile("^Image"))
    stage.press("1")
    for _ in range(4):
        stage.press("+")
    middle = frame(viewed)
    stage.press("ArrowRight")
    assert frame(viewed)["x"] == middle["x"] - 50
    area = stage.bounding_box()
    x, y = area["x"] + 100, area["y"] + 100
    viewed.mouse.move(x, y)
    viewed.mouse.down()
    viewed.mouse.move(x + 30, y + 40, steps=2)
    viewed.mouse.up()
    assert (frame(viewed)["x"], frame(viewed)["y"]) == (middle["x"] - 20, middle["y"] + 40)
    for _ in range(8):
        stage.press("Shift+ArrowRight")
    moved = frame(viewed)
    assert moved["x"] + moved["width"] == area["x"] + area["width"]
    stage.press("0")
    assert frame(viewed)["width"] <= area["width"]


def test_a_double_click_shows_pixel_for_pixel_and_back(viewed):
    expect(viewed.locator("#scale")).to_have_text("200\u2009%")
    viewed.locator("#stage").dblclick(position={"x": 300, "y": 300})
    expect(viewed.locator("#scale")).to_have_text("100\u2009%")
    viewed.locator("#stage").dblclick(position={"x": 300, "y": 300})
    expect(viewed.locator("#scale")).to_have_text("200\u2009%")


def test_two_fingers_zoom(open_page, address, fake, photo):
    page = open_page(address, 390, 844, has_touch=True, is_mobile=True)
    choose(page, photo())
    wait_done(page)
    before, stage = frame(page), page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind, reach):
        points = [{"x": x - reach, "y": y, "id": 0}, {"x": x + reach, "y": y, "id": 1}] if reach else []
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 30)
    for reach in (40, 60, 90):
        fingers("touchMove", reach)
    fingers("touchEnd", 0)
    assert frame(page)["width"] == pytest.approx(3 * before["width"], rel=0.1)


def test_each_view_shows_its_layer(viewed):
    stage = viewed.locator("#stage")
    for view in ("Before", "After", "Difference"):
        viewed.get_by_role("radio", name=view).check()
        layer = stage.locator(f"[data-layer={view.lower()}]")
        expect(layer).to_have_css("visibility", "visible")
        expect(stage.locator(".layer:visible")).to_have_count(1)
        expect(viewed.locator("#divider")).to_be_hidden()
    expect(viewed.locator(".tag-difference")).to_have_text("Removed noise, \u00d7 4")
    expect(stage).to_have_attribute("aria-label", "Image, showing the difference")


def test_small_images_are_enlarged_by_whole_numbers(page, photo):
    choose(page, photo("digit.png", (28, 28)))
    wait_done(page)
    box, area = frame(page), page.locator("#stage").bounding_box()
    assert box["width"] % 28 == 0 and box["width"] + 28 > min(area["height"], area["width"])


@pytest.mark.parametrize("width", [320, 700])
def test_nothing_sticks_out_of_a_narrow_screen(open_page, address, fake, photo, width):
    page = open_page(address, width, 700)
    wide = "() => document.documentElement.scrollWidth"
    assert page.evaluate(wide) <= width
    choose(page, photo("a-rather-long-name-that-does-not-fit-anywhere.png", (600, 300)), photo("two.png"))
    wait_done(page)
    assert page.evaluate(wide) <= width
    assert frame(page)["width"] <= width
    expect(page.get_by_role("link", name="Download", exact=True)).to_be_visible()
