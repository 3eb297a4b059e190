import numpy as np
import pytest

from pellucid.data.fonts import PILLOW_DEFAULT
from pellucid.data.page_layout import Style, Typesetter, _break_lines, plain_style, random_style

pytestmark = pytest.mark.filterwarnings("ignore:pages are set")
BLOCKS = ("paragraph", "heading", "bullets", "table", "formula", "small_print", "banner")


def typesetter(seed=0, width=400, height=300, **options):
    style = Style(PILLOW_DEFAULT, PILLOW_DEFAULT, size=16, **options)
    return Typesetter(np.random.default_rng(seed), width, height, style)


def ink(page):
    return 255 - np.asarray(page.page.convert("L")).astype(float)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_lies_between_its_start_and_end_and_has_text(block):
    page = typesetter()
    end = getattr(page, block)(50, 40, 300, 280)
    dark = np.argwhere(ink(page) > 60)
    assert 40 < end <= 280 and page.lines and all(page.lines)
    assert dark[:, 0].min() >= 38 and dark[:, 0].max() <= end + 8
    assert dark[:, 1].min() >= 48 and dark[:, 1].max() <= 352


def test_rules_and_pictures_have_no_text():
    page = typesetter()
    assert page.rule(50, 40, 300, 280) > 40 and page.picture(50, 60, 300, 280) > 100
    assert page.lines == [] and (ink(page)[70:90] > 20).mean() > 0.2


def test_dots_of_one_pixel_appear_where_rounding_would_swap_their_corners():
    assert 0.2 + 1 - 1 < 0.2
    for seed in range(20):
        page = typesetter(seed)
        page.rule(0.2, 0.2, 300, 280)
        assert ink(page)[:4].any()


def test_text_that_does_not_fit_is_left_out_of_page_and_lines():
    page = typesetter()
    assert page.paragraph(50, 40, 300, 45) == 45
    assert page.lines == [] and not ink(page).any()


@pytest.mark.parametrize("justified", [False, True])
def test_lines_are_as_wide_as_their_column_where_they_are_to_be(justified):
    page = typesetter(justified=justified)
    words = [("word", page._upright)] * 60
    page._flow(words, 50, 40, 300, 280)
    edges = [np.argwhere((ink(page)[40 + round(n * 16 * 1.35) :][:20] > 60).any(0)).max() for n in range(3)]
    assert (min(edges) > 345) == justified and len(page.lines) > 3


def test_lines_break_only_between_words_and_keep_them_all():
    page = typesetter()
    tokens = [(word, page._upright) for word in ("ab cde " * 30 + "w" * 90 + " end").split()]
    lines = list(_break_lines(tokens, 200, 30, 4.0))
    assert [token for line, _ in lines for token in line] == tokens
    assert all(used <= 200 for line, used in lines if len(line) > 1)
    assert [len(line) for line, _ in lines[-2:]] == [1, 1]


def test_a_plain_page_reads_from_top_to_bottom():
    page = typesetter(height=700)
    page.fill(plain=True)
    assert len(page.lines) > 15
    rows = (ink(page) > 60).any(1)
    assert np.diff(rows.astype(int)).clip(0).sum() >= len(page.lines) * 0.8


def test_styles_vary_and_have_colors_only_on_request():
    styles = [random_style(np.random.default_rng(seed), color=False) for seed in range(200)]
    assert {style.columns for style in styles} == {1, 2, 3} and len({style.language for style in styles}) > 6
    assert min(style.size for style in styles) < 13 and max(style.size for style in styles) > 35
    assert all(len(set(style.ink)) == len(set(style.accent)) == 1 for style in styles)
    in_color = [random_style(np.random.default_rng(seed), color=True) for seed in range(50)]
    assert sum(len(set(style.accent)) > 1 for style in in_color) > 40


def test_plain_styles_read_well():
    for seed in range(30):
        style = plain_style(np.random.default_rng(seed), 28)
        assert (style.size, style.columns, style.language, style.ink) == (28, 1, "english", (0, 0, 0))
        assert "Mono" not in style.body.name
