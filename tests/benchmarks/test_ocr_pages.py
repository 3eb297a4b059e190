import os
import sys

import numpy as np
import pytest

from pellucid.image import read_image
from pellucid.recipes.recipe import load_recipe

pytestmark = pytest.mark.filterwarnings("ignore:pages are set")


def kinds_of(noise):
    """Return all kinds of document noise in a table of noise."""
    own = set(noise["kinds"]) if noise.get("name") == "document" else set()
    return own.union(*(kinds_of(part) for part in noise.get("parts", ())))


def test_the_stains_are_of_kinds_that_training_left_out(part):
    trained = kinds_of(load_recipe("document").to_dict()["noise"])
    assert len(trained) > 8 and not trained & set(part("ocr_pages").KINDS)


def test_pages_are_the_same_on_every_run_and_badly_stained(part):
    pages = part("ocr_pages").ocr_pages(3)
    again = part("ocr_pages").ocr_pages(2)[1]
    np.testing.assert_array_equal(pages[1].noisy, again.noisy)
    assert pages[1].text == again.text != pages[2].text
    for page in pages:
        assert page.noisy.shape == page.clean.shape == (1200, 1000) and page.noisy.dtype == np.uint8
        assert (page.noisy <= page.clean).all() and (page.noisy < page.clean - 40.0).mean() > 0.05
        # Print stays darker than what lies around it, so that it can be brought back.
        assert page.noisy[page.clean == 0].max() < 20 and len(page.text) > 800


def test_figures_and_files_are_written(part, tmp_path, monkeypatch, capsys):
    program = tmp_path / "tesseract"
    program.write_text(f"#!{sys.executable}\nprint('nothing')\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    trial = part("ocr_pages")
    monkeypatch.setattr(trial, "HEIGHT", 400)
    assert trial.main(["--count", "1", "--json", str(tmp_path / "figures.json")]) == 0
    assert "noisy" in capsys.readouterr().out and "character_error" in (tmp_path / "figures.json").read_text()
    assert trial.main(["--count", "2", "--out", str(tmp_path / "pages")]) == 0
    (page,) = trial.ocr_pages(1)
    np.testing.assert_array_equal(read_image(tmp_path / "pages/noisy/00.png").pixels, page.noisy)
    assert (tmp_path / "pages/texts/01.txt").is_file() and (tmp_path / "pages/clean/01.png").is_file()
    monkeypatch.setenv("PATH", str(tmp_path / "pages"))
    assert trial.main(["--count", "1"]) == 1 and "tesseract-ocr" in capsys.readouterr().out
