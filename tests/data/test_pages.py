import numpy as np
import pytest

from pellucid.data import fonts
from pellucid.data.fonts import PILLOW_DEFAULT
from pellucid.data.pages import Pages, render_page

pytestmark = pytest.mark.filterwarnings("ignore:pages are set")


@pytest.fixture
def without_fonts(monkeypatch):
    monkeypatch.setattr("pellucid.data.page_layout.families", lambda: (PILLOW_DEFAULT,))


def test_sizes_and_splits_are_as_asked():
    dataset = Pages(num_images=50, size=40, test_fraction=0.3)
    train, test = dataset.load("train").images, dataset.load("test").images
    assert train.shape == (35, 3, 40, 40) and test.shape == (15, 3, 40, 40) and dataset.available()
    assert train[0].tobytes() not in {image.tobytes() for image in test}


def test_a_patch_depends_on_the_seed_and_its_number_alone():
    few, more = (Pages(count, size=64, test_fraction=0).load("train").images for count in (16, 32))
    np.testing.assert_array_equal(few, more[:16])
    assert not np.array_equal(few, Pages(16, size=64, seed=1, test_fraction=0).load("train").images)


def test_patches_are_print_on_white_and_gray_unless_colors_are_requested():
    gray = Pages(96, size=64, color=0, test_fraction=0).load("train").images
    assert (gray[:, 0] == gray[:, 1]).all() and (gray[:, 0] == gray[:, 2]).all()
    means = gray.mean((1, 2, 3))
    assert np.median(means) > 190 and (means < 254).mean() > 0.9
    assert (gray == 255).mean() > 0.6 and (gray < 60).mean() > 0.02
    in_color = Pages(160, size=64, color=1, test_fraction=0).load("train").images.astype(int)
    assert (np.abs(in_color[:, 0] - in_color[:, 2]).max((1, 2)) > 20).mean() > 0.3


def test_a_page_comes_with_what_it_reads():
    page, text = render_page(5, 600, 800, size=20)
    again, same = render_page(5, 600, 800, size=20)
    assert page.shape == (800, 600, 3) and page.dtype == np.uint8 and text == same
    np.testing.assert_array_equal(page, again)
    assert text != render_page(6, 600, 800, size=20)[1]
    lines = text.splitlines()
    assert len(lines) > 10 and all(lines) and all(1 < len(line) < 80 for line in lines)
    # Rows with ink come in as many runs as there are lines, or fewer where lines touch.
    rows = (page[..., 0] < 128).any(1)
    assert 0.5 * len(lines) < np.diff(rows.astype(int)).clip(0).sum() <= 2 * len(lines)


def test_varied_pages_have_text_too():
    texts = {render_page(seed, 500, 500, plain=False)[1] for seed in range(6)}
    assert len(texts) == 6 and all(texts)


def test_without_fonts_pages_are_set_in_pillows_own(without_fonts):
    assert fonts.PILLOW_DEFAULT.files == (("regular", ""),)
    page, text = render_page(0, 500, 500, size=20)
    assert text and (page < 100).any()
    assert Pages(20, size=64).load("test").images.std() > 10


@pytest.mark.parametrize(
    ("option", "value"), [("num_images", 0), ("size", 4), ("test_fraction", 1.0), ("color", 1.5), ("color", -0.1)]
)
def test_refuses_impossible_options(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        Pages(**{option: value})
