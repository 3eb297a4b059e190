from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.server.filenames import disposition, printable, printable_name, result_name


@pytest.mark.parametrize(
    ("sent_name", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\page 1.TIF", "page 1.TIF"),
        ("Grüße aus Köln.png", "Grüße aus Köln.png"),
        ("a\r\nSet-Cookie: b.png", "a Set-Cookie: b.png"),
        ("", "image"),
        ("...", "image"),
        (".png", "png"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_names_lose_folders_and_unprintable_characters(sent_name, name):
    assert printable_name(sent_name) == name


@given(st.text())
def test_any_name_becomes_a_single_part_of_a_path(text):
    name = printable_name(text)
    assert 0 < len(name) <= 200 and name not in (".", "..") and Path(name).name == name
    assert name == printable(name)


def test_a_long_name_keeps_its_suffix():
    assert printable_name("x" * 500 + ".tiff") == "x" * 195 + ".tiff"


@pytest.mark.parametrize(
    ("name", "suffix", "result"),
    [
        ("photo.jpg", ".jpg", "photo-denoised.jpg"),
        ("photo.JPEG", ".jpg", "photo-denoised.JPEG"),
        ("raw.NEF", ".tif", "raw-denoised.tif"),
        ("deep.avif", ".png", "deep-denoised.png"),
        ("image", ".png", "image-denoised.png"),
        ("v1.2", ".png", "v1.2-denoised.png"),
    ],
)
def test_a_result_is_named_after_its_image(name, suffix, result):
    assert result_name(name, suffix) == result


@given(st.text())
def test_any_name_fits_into_a_header(text):
    header = disposition(printable_name(text))
    assert header.isascii() and header.isprintable() and header.count('"') == 2
