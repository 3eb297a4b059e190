import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pellucid.inference.frames import Frames
from pellucid.report import before_after


def frames(shape, axis=-1, seed=0):
    values = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return Frames(values, axis if len(shape) > 2 else None)


def pictures(html):
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


@pytest.mark.parametrize(("shape", "mode"), [((40, 60, 3), "RGB"), ((40, 60), "L"), ((40, 60, 2), "L"), ((1, 1), "L")])
def test_a_page_contains_both_whole_pictures(shape, mode):
    pair = before_after.make_pair("a.png", "12.3 of noise", frames(shape), frames(shape, seed=1))
    html = before_after.render_page([pair], "One image", "foot")
    both = pictures(html)
    assert [picture.mode for picture in both] == [mode] * 2
    assert all(picture.size == (shape[1], shape[0]) for picture in both)
    assert "One image" in html and "12.3 of noise" in html and "a.png" in html


def test_values_out_of_range_are_clipped():
    before, after = (Frames(np.full((16, 16, 3), value, np.float32), -1) for value in (-1, 1.9))
    dark, bright = pictures(before_after.render_page([before_after.make_pair("a", "", before, after)], "", ""))
    assert np.asarray(dark).max() == 0 and np.asarray(bright).min() == 255


def test_large_images_are_reduced_with_a_part_pixel_for_pixel(monkeypatch):
    monkeypatch.setattr(before_after, "MAX_PIXELS", 10_000)
    monkeypatch.setattr(before_after, "REDUCED_SIDE", 100)
    monkeypatch.setattr(before_after, "DETAIL_SIZES", (40, 60))
    image = frames((203, 410, 3))
    pair = before_after.make_pair("a.png", "", image, image)
    assert [(view.width, view.height) for view in pair.views] == [(82, 40), (60, 40)]
    assert "5x5" in pair.views[0].caption and "pixel for pixel" in pair.views[1].caption
    reduced = np.asarray(Image.open(io.BytesIO(pair.views[0].before)), float) / 255
    wanted = image.read(0, slice(0, 200), slice(0, 410))[0].reshape(3, 40, 5, 82, 5).mean(axis=(2, 4))
    assert np.abs(np.moveaxis(reduced, -1, 0) - wanted).mean() < 0.02


def test_names_are_text_and_nothing_is_fetched():
    image = frames((8, 8))
    html = before_after.render_page([before_after.make_pair('<b>"a".png', "a & b", image, image)], "<i>", "</body>")
    assert "<b>" not in html and "<i>" not in html and html.count("</body>") == 1
    assert not re.findall(r'(?:src|href)="(?!data:)', html) and "http://" not in html and "https://" not in html


def test_every_picture_has_a_keyboard_slider_with_a_label():
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.sliders, self.labels = [], [], []

        def handle_starttag(self, tag, attrs):
            if tag == "input" and dict(attrs)["type"] == "range":
                self.sliders.append(dict(attrs))
            if tag not in ("input", "img", "meta"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    image = frames((8, 8))
    reader = Reader()
    reader.feed(before_after.render_page([before_after.make_pair(name, "", image, image) for name in "ab"], "", ""))
    assert not reader.open and len(reader.sliders) == 2
    assert all(found["aria-label"].startswith("Line between") for found in reader.sliders)


def test_the_color_profile_is_kept():
    image = frames((8, 8, 3))
    (before, _) = pictures(
        before_after.render_page([before_after.make_pair("a", "", image, image, b"profile")], "", "")
    )
    assert before.info["icc_profile"] == b"profile"
