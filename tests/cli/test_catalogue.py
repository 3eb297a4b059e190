"""The cards of shipped models are shown whole."""

import json

import pytest

from pellucid import weights

CARD = """
summary = "Photographs"
task = "denoise"
licence = "Apache-2.0"
data = ["some photographs (CC0)", "dead leaves (made on the fly)"]
limits = []

[figures]
"CBSD68, sigma 25" = "31.25 dB"

[sha256]
"photo.onnx" = "abc"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    return tmp_path


def test_cards_are_shown_whole(run, folder):
    (folder / "photo.toml").write_text(CARD)
    (folder / "quick.toml").write_text(CARD)
    outcome = run("list", "models")
    shown = """\
photo: Photographs
  licence  Apache-2.0
  data     some photographs (CC0)
           dead leaves (made on the fly)
  figures  CBSD68, sigma 25: 31.25 dB
  sha256   photo.onnx: abc
"""
    assert outcome.stdout == f"{shown}\n{shown.replace('photo:', 'quick:')}"


def test_cards_are_given_as_json(run, folder):
    (folder / "photo.toml").write_text(CARD)
    given = json.loads(run("list", "models", "--json", "-").stdout)
    assert given["models"]["photo"]["figures"] == {"CBSD68, sigma 25": "31.25 dB"}


def test_models_have_their_place_among_everything(run, folder):
    (folder / "photo.toml").write_text(CARD)
    lines = run("list").stdout.splitlines()
    assert lines[lines.index("models") + 1].split() == ["photo", "Photographs"]


def test_a_version_without_models_says_what_to_do(run, folder):
    outcome = run("list", "models")
    assert outcome.status == 0 and outcome.stdout == ""
    assert outcome.stderr == "this version ships no models: train one (pellucid list recipes)\n"
