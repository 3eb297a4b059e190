"""The page by keyboard, by its accessible tree, and in its two color schemes."""

import re
from itertools import product
from pathlib import Path

import pytest

import pellucid

from .conftest import choose, wait_done

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
expect = sync_api.expect

STYLE = Path(pellucid.__file__).parent / "server" / "page" / "style.css"
# The outline of the focus is on the control, on its visible part, or on the frame around it.
FOCUSED = """() => {
    const one = document.activeElement;
    const grip = one.matches('.split') ? document.querySelector('.grip') : null;
    const rings = [one, grip, one.nextElementSibling, one.firstElementChild, one.closest('.number')].filter(Boolean);
    const isShown = rings.some(ring => getComputedStyle(ring).outlineStyle === 'solid');
    return [one.id || one.textContent.trim() || one.value, isShown];
}"""


def test_every_control_is_reached_by_tab_and_shows_its_focus(page, photo):
    choose(page, photo("one.png"), photo("two.png", (64, 48)))
    wait_done(page)
    expect(page.get_by_role("link", name="Download all as ZIP")).to_be_visible()
    reached = []
    page.locator("h1").click()
    for _ in range(25):
        page.keyboard.press("Tab")
        name, is_visible = page.evaluate(FOCUSED)
        if name in reached or page.evaluate("document.activeElement === document.body"):
            break
        assert is_visible, name
        reached.append(name)
    expected = ["choose-more", "stage", "split", "compare", "\u2212", "+", "Fit", "1:1"]
    assert reached[: len(expected)] == expected
    assert reached[len(expected)].startswith("PNG") or "one.png" in reached[len(expected)]
    assert reached[len(expected) + 1 :] == [
        *("model", "strength", "auto", "classifier", "reference-choose", "download", "download-all")
    ]


def test_every_control_has_a_name(page, photo):
    choose(page, photo("one.png"), photo("two.png"))
    wait_done(page)
    tree = page.locator("body").aria_snapshot()
    roles = "button|link|slider|radio|combobox|progressbar|listbox|option|group|spinbutton"
    nameless = re.findall(rf"- (?:{roles})(?: \[[^\]]*\])*:?$", tree, re.MULTILINE)
    assert nameless == []
    for part in ("banner:", 'region "Image":', 'listbox "Images":', 'form "Settings":', 'region "Result":'):
        assert part in tree


def test_arrow_keys_select_images_of_a_batch(page, photo):
    choose(page, photo("one.png"), photo("two.png", (64, 48)), photo("three.png"))
    wait_done(page)
    images = page.get_by_role("listbox", name="Images")
    images.get_by_role("option", selected=True).press("ArrowRight")
    expect(images.get_by_role("option", selected=True)).to_contain_text("two.png")
    expect(images.get_by_role("option", selected=True)).to_be_focused()
    expect(page.locator("#title")).to_have_text("two.png")
    expect(page.get_by_alt_text("two.png, after denoising")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#title")).to_have_text("three.png")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#title")).to_have_text("three.png")


def test_the_status_is_announced(page, photo):
    status = page.locator("#status")
    expect(status).to_have_role("status")
    choose(page, photo("slow.png"))
    expect(status).to_have_text("Cleaning 1 image.")
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("progressbar", name="Progress")).to_be_visible()
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(status).to_have_text("Cancelled.")
    expect(page.locator("#stage")).to_be_focused()
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")


def test_reduced_motion_turns_animations_off(page):
    times = "() => [...document.querySelectorAll('*')].map(each => getComputedStyle(each).transitionDuration)"
    assert set(page.evaluate(times)) == {"0s"}


def luminance(color):
    values = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def schemes():
    """Return the colors of the light and the dark scheme."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in blocks]


@pytest.mark.parametrize(
    ("texts", "grounds", "minimum"),
    [
        # WCAG 2.2: 4.5 for text, 3 for the outline of the focus.
        (["ink"], ["surround", "chrome", "raised", "field"], 7),
        (["quiet"], ["chrome", "raised"], 4.5),
        (["bad"], ["raised", "surround"], 4.5),
        (["on-strong"], ["strong"], 7),
        (["focus"], ["surround", "chrome", "raised"], 3),
    ],
)
def test_colors_have_enough_contrast(texts, grounds, minimum):
    assert len(schemes()) == 2
    for colors, text, ground in product(schemes(), texts, grounds):
        assert contrast(colors[text], colors[ground]) >= minimum, (text, ground)


def test_the_surround_is_neutral_gray():
    for colors in schemes():
        assert all(
            len({colors[name][start : start + 2] for start in (1, 3, 5)}) == 1 for name in ("surround", "chrome")
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_color_scheme_of_the_system(open_page, address, fake, scheme):
    page = open_page(address, color_scheme=scheme)
    expected = schemes()[scheme == "dark"]["surround"]
    found = page.locator(".view").evaluate("view => getComputedStyle(view).backgroundColor")
    assert [int(value) for value in re.findall(r"\d+", found)] == [
        int(expected[start : start + 2], 16) for start in (1, 3, 5)
    ]
