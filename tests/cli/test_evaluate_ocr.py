"""evaluate --ocr, with a program that stands in Tesseract's place."""

import json
import os
import sys

import numpy as np
import pytest

from pellucid.image import write_image

READS = """
import io, sys
from PIL import Image
image = Image.open(io.BytesIO(sys.stdin.buffer.read())).convert("L")
print("read" if image.getpixel((0, 0)) > 200 else "rxxd")
"""


@pytest.fixture
def scans(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "tesseract"
    program.write_text(f"#!{sys.executable}\n{READS}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for kind, value in (("scans", 90), ("clean", 250)):
        (tmp_path / kind).mkdir()
        for name in "ab":
            write_image(tmp_path / kind / f"{name}.png", np.full((16, 20), value, np.uint8))
    (tmp_path / "texts").mkdir()
    for name in "ab":
        (tmp_path / "texts" / f"{name}.txt").write_text("read")
    return tmp_path


def test_error_rates_of_all_versions_are_shown_and_written(run, exported, scans):
    command = ("evaluate", "--ocr", scans / "scans", "--text", scans / "texts", "--clean", scans / "clean")
    outcome = run(*command, "--model", exported, "--json", scans / "figures.json")
    assert outcome.status == 0, outcome
    rows = [line.split() for line in outcome.stdout.splitlines()]
    assert ["clean", "0.00", "%", "0.00", "%"] in rows and ["noisy", "50.00", "%", "100.00", "%"] in rows
    assert any(row[:1] == ["denoised"] for row in rows) and "2 pages" in outcome.stdout
    figures = json.loads((scans / "figures.json").read_text())
    assert figures["character_error"]["noisy"] == 0.5 and figures["model"] == str(exported)
    assert [page["name"] for page in figures["pages"]] == ["a.png", "b.png"]


def test_the_model_may_stand_first_and_few_pages_be_taken(run, exported, scans):
    command = ("evaluate", exported, "--ocr", scans / "scans", "--text", scans / "texts", "--limit", 1)
    outcome = run(*command, "--json", "-")
    figures = json.loads(outcome.stdout)
    assert len(figures["pages"]) == 1 and list(figures["word_error"]) == ["noisy", "denoised"]


def test_what_does_not_fit_is_refused(refused, exported, scans):
    assert "give --text" in refused(2, "evaluate", "--ocr", scans / "scans", "--model", exported)
    assert "--text goes with --ocr" in refused(2, "evaluate", exported, "--text", scans / "texts")
    assert "--clean goes with --ocr" in refused(2, "evaluate", exported, "--clean", scans / "clean")
    assert "the model is given twice" in refused(2, "evaluate", exported, "--model", "photo")
    assert "no model to evaluate" in refused(2, "evaluate")
    (scans / "texts" / "b.txt").unlink()
    line = refused(1, "evaluate", "--ocr", scans / "scans", "--text", scans / "texts", "--model", exported)
    assert "b.png has no text" in line


def test_without_tesseract_its_package_is_named(refused, exported, scans, monkeypatch):
    monkeypatch.setenv("PATH", str(scans))
    line = refused(1, "evaluate", "--ocr", scans / "scans", "--text", scans / "texts", "--model", exported)
    assert "install Debian's package tesseract-ocr" in line
