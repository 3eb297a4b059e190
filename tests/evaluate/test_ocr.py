"""Reading by Tesseract: most of it with a program that stands in its place."""

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.data.pages import render_page
from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate import ocr
from pellucid.evaluate.ocr import Page, PageFiles, evaluate_pages, match_files, read_text
from pellucid.image import write_image

READS_AS = """
import io, os, sys
from PIL import Image
assert os.environ["OMP_THREAD_LIMIT"] == "1" and sys.argv[1:3] == ["stdin", "stdout"]
image = Image.open(io.BytesIO(sys.stdin.buffer.read()))
dark = sum(image.convert("L").getdata()) < 128 * image.width * image.height
print(*({words}))
"""

READS = READS_AS.format(words='"dark" if dark else "light", image.mode, image.size[0], *sys.argv[3:]')


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put a program in Tesseract's place, by its Python code."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def install(code):
        path = folder / "tesseract"
        path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def test_the_image_and_the_options_reach_the_program(stand_in):
    stand_in(READS)
    assert read_text(np.full((9, 7, 3), 250, np.uint8)).split() == ["light", "RGB", "7", "-l", "eng", "--psm", "3"]
    for image in (np.zeros((1, 7), np.uint16), np.zeros((1, 7, 1), np.float32)):
        assert read_text(image, "deu", 7).split() == ["dark", "L", "7", "-l", "deu", "--psm", "7"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "took more than 0.5 s on page 3: crop or shrink it"),
        ("import sys; sys.exit('Error opening data file deu.traineddata')", "install tesseract-ocr-deu"),
        ("import sys; sys.exit('no\\nluck')", "failed on page 3 (no luck)"),
    ],
)
def test_errors_are_one_line(stand_in, code, message):
    stand_in(code)
    with pytest.raises(PellucidError) as caught:
        read_text(np.zeros((8, 8), np.uint8), "deu", seconds=0.5 if "sleep" in code else 60, name="page 3")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_without_the_program_its_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PellucidError, match="tesseract is not installed: install Debian's package tesseract-ocr"):
        read_text(np.zeros((8, 8), np.uint8))
    (tmp_path / "tesseract").write_text("#!/no/such/program\n")
    (tmp_path / "tesseract").chmod(0o755)
    with pytest.raises(PellucidError, match="tesseract does not run"):
        read_text(np.zeros((8, 8), np.uint8))


def test_all_pages_count_together_by_their_length(stand_in):
    stand_in(READS_AS.format(words='["xx" if dark else "abcd"]'))
    black, white_image = np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)
    progress = []
    pages = [Page("1", black, "abcd", white_image), Page("2", black, "abcd abcd abcd", white_image)]
    figures = evaluate_pages(
        pages, lambda image: 255 - image, progress=lambda done, total: progress.append((done, total))
    )
    assert figures["character_error"] == {
        "clean": pytest.approx(10 / 18),
        "noisy": pytest.approx(18 / 18),
        "denoised": pytest.approx(10 / 18),
    }
    assert figures["word_error"]["noisy"] == 1 and figures["word_error"]["denoised"] == pytest.approx(2 / 4)
    first, second = figures["pages"]
    assert (first["name"], first["characters"], first["words"]) == ("1", 4, 1)
    assert first["denoised"] == {"character_error": 0, "word_error": 0}
    assert second["noisy"]["character_error"] == 1 and second["clean"]["word_error"] == pytest.approx(2 / 3)
    assert progress == [(number, 6) for number in range(1, 7)]


def test_without_clean_pages_there_are_no_clean_figures(stand_in):
    stand_in(READS)
    page = np.zeros((8, 8), np.uint8)
    figures = evaluate_pages([Page("1", page, "a", page), Page("2", page, "a")], lambda image: image)
    assert list(figures["character_error"]) == list(figures["word_error"]) == ["noisy", "denoised"]
    assert list(evaluate_pages([Page("1", page, "a", page)], None)["word_error"]) == ["clean", "noisy"]
    with pytest.raises(UsageError, match="have no text"):
        evaluate_pages([Page("1", page, " ")], None)
    with pytest.raises(UsageError, match="no pages"):
        evaluate_pages([], lambda image: image)


@pytest.fixture
def scans(tmp_path) -> Path:
    """Return a folder with scans, texts and clean scans, some of them deeper."""
    for kind, suffix in (("scans", ".png"), ("clean", ".tif")):
        for name in ("a", "deep/b"):
            (tmp_path / kind / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / kind / f"{name}{suffix}", np.full((8, 8), 99, np.uint8))
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text("\ufeffone", encoding="utf-8")
    (tmp_path / "texts" / "deep" / "b.txt").write_text("two", encoding="utf-8")
    return tmp_path


def test_files_are_matched_by_stem_and_read(scans):
    found = match_files(scans / "scans", scans / "texts", scans / "clean")
    assert [entry.name for entry in found] == ["a.png", "deep/b.png"]
    assert [entry.clean for entry in found] == [scans / "clean" / "a.tif", scans / "clean" / "deep" / "b.tif"]
    page = found[0].page()
    assert page.text == "one" and page.noisy.shape == (8, 8) and page.clean is not None
    assert [entry.name for entry in match_files(scans / "scans", scans / "texts", limit=1)] == ["a.png"]
    alone = match_files(scans / "scans" / "a.png", scans / "texts" / "deep" / "b.txt", scans / "clean")
    assert alone == (PageFiles("a.png", scans / "scans/a.png", scans / "texts/deep/b.txt", scans / "clean/a.tif"),)


def test_missing_files_are_named(scans):
    (scans / "clean" / "a.tif").unlink()
    with pytest.raises(PellucidError, match=r"scans/a.png has no clean image: looked for .*clean/a\.\*"):
        match_files(scans / "scans", scans / "texts", scans / "clean")
    (scans / "texts" / "deep" / "b.txt").unlink()
    with pytest.raises(PellucidError, match=r"scans/deep/b.png has no text: looked for .*texts/deep/b.txt"):
        match_files(scans / "scans", scans / "texts")
    with pytest.raises(PellucidError, match="nowhere does not exist: name the folder of the texts"):
        match_files(scans / "scans", scans / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b" \n", "is empty: write the text"), (b"\xff\xfe\xfa", "is not UTF-8"), (None, "cannot read")],
)
def test_texts_that_cannot_be_used_are_named(scans, content, message):
    entry = match_files(scans / "scans", scans / "texts")[0]
    entry.text.unlink()
    if content is not None:
        entry.text.write_bytes(content)
    with pytest.raises(PellucidError, match=f"{message}"):
        entry.page()


@pytest.mark.skipif(shutil.which(ocr.PROGRAM) is None, reason="needs Tesseract: install tesseract-ocr")
@pytest.mark.filterwarnings("ignore:pages are set")
def test_tesseract_reads_a_rendered_page_and_less_of_a_dark_one():
    clean, text = render_page(3, 900, 500)
    dark = clean // 2
    dark[:, 300:] //= 3
    figures = evaluate_pages([Page("page", dark, text, clean)], lambda image: clean)
    rates = figures["character_error"]
    assert rates["clean"] == rates["denoised"] < 0.1 < rates["noisy"]
