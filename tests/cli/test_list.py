"""The cards of shipped models are shown whole."""

import json

import pytest

from pellucid.weights import catalog

CARD = """
summary = "Photographs"
task = "denoise"
license = "Apache-2.0"
data = ["some photographs (CC0)", "dead leaves (made on the fly)"]
limits = []

[figures]
"CBSD68, sigma 25" = "31.25 dB"

[sha256]
"photo.onnx" = "abc"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    return tmp_path


def test_cards_are_shown_whole(run, folder):
    (folder / "photo.toml").write_text(CARD)
    (folder / "quick.toml").write_text(CARD)
    outcome = run("list", "models")
    shown = """\
photo: Photographs
  license  Apache-2.0
  data     some photographs (CC0)
           dead leaves (made on the fly)
  figures  CBSD68, sigma 25: 31.25 dB
  sha256   photo.onnx: abc
"""
    start = f"{shown}\n{shown.replace('photo:', 'quick:')}\nself: photo, fine-tuned on each image first"
    assert outcome.stdout.startswith(start)


def test_what_learns_from_the_image_itself_is_among_the_models(run):
    shown = run("list", "models").stdout
    assert "pellucid denoise IMAGE --model self" in shown and "cannot learn from images smaller than 32 pixels" in shown
    assert "--minutes 0.75" in shown
    assert "photo, fine-tuned on each image first" in shown
    given = json.loads(run("list", "--json", "-").stdout)
    assert list(given["models"])[-1] == "self"


def test_cards_are_given_as_json(run, folder):
    (folder / "photo.toml").write_text(CARD)
    given = json.loads(run("list", "models", "--json", "-").stdout)
    assert given["models"]["photo"]["figures"] == {"CBSD68, sigma 25": "31.25 dB"}
    assert given["models"]["self"]["task"] == "denoise"


def test_models_have_their_place_among_everything(run, folder):
    (folder / "photo.toml").write_text(CARD)
    lines = run("list").stdout.splitlines()
    assert lines[lines.index("models") + 1].split() == ["photo", "Photographs"]


def test_a_version_without_models_says_what_to_do(run, folder):
    outcome = run("list", "models")
    assert outcome.status == 0 and outcome.stdout.startswith("self: ")
    assert outcome.stderr == "this version ships no models: train one (pellucid list recipes)\n"
