import pytest
from PIL import Image, ImageDraw, features

from pellucid.data import fonts
from pellucid.data.fonts import families


@pytest.fixture
def folder(tmp_path):
    """Return a folder with files named as fonts are, which are never opened."""
    names = ("DejaVuSans.ttf", "DejaVuSans-BoldOblique.ttf", "deep/LiberationSerif-Regular.ttf", "Symbols.ttf")
    names += (
        "deep/LiberationSerif-Bold.ttf",
        "NotoSansGothic-Regular.ttf",
        "DejaVuSans-ExtraLight.ttf",
        "C059-Roman.otf",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_known_families_are_found_with_their_styles(folder):
    found = {family.name: family for family in families((str(folder),))}
    assert list(found) == ["C059", "DejaVuSans", "LiberationSerif"]
    assert dict(found["DejaVuSans"].files) == {
        "regular": str(folder / "DejaVuSans.ttf"),
        "bold italic": str(folder / "DejaVuSans-BoldOblique.ttf"),
    }
    assert [style for style, _ in found["LiberationSerif"].files] == ["regular", "bold"]
    assert found["DejaVuSans"].is_wide and not found["C059"].is_wide


def test_the_nearest_style_stands_in(folder, monkeypatch):
    monkeypatch.setattr(fonts, "_font", lambda file, size: (file, size))
    family = next(family for family in families((str(folder),)) if family.name == "LiberationSerif")
    assert family.font(20, bold=True) == (str(folder / "deep/LiberationSerif-Bold.ttf"), 20)
    assert family.font(20, italic=True) == (str(folder / "deep/LiberationSerif-Regular.ttf"), 20)


@pytest.mark.skipif(not features.check("freetype2"), reason="Pillow's own font needs FreeType: reinstall Pillow")
def test_without_fonts_that_of_pillow_is_used_and_others_to_install_are_named(tmp_path):
    with pytest.warns(RuntimeWarning, match=r"since no other is in .*: install some, such as Debian's fonts-dejavu"):
        (only,) = families((str(tmp_path / "none"),))
    assert only.font(30).getlength("word") > 2 * only.font(12).getlength("word")


@pytest.mark.filterwarnings("ignore:pages are set")
def test_the_available_fonts_open_in_every_style():
    for family in families():
        for bold, italic in ((False, False), (True, False), (False, True), (True, True)):
            assert family.font(17, bold, italic).getlength("Hamburg") > 20


def render(letter, font):
    image = Image.new("L", (40, 40))
    ImageDraw.Draw(image).text((5, 5), letter, 255, font)
    return image.tobytes()


@pytest.mark.filterwarnings("ignore:pages are set")
def test_families_with_all_letters_have_greek_and_cyrillic_ones():
    for family in families():
        if family.is_wide:
            font = family.font(24)
            assert render("\U0010ffff", font) not in {render(letter, font) for letter in "ωЖąğ"}
