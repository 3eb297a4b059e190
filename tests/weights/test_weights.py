"""Networks are found by name or by path, and shipped ones are what their card says."""

import hashlib
import tomllib
from pathlib import Path

import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.weights import catalog
from pellucid.weights.catalog import Weights, cards, find, names, verify

CARD = """
summary = "For the tests"
task = "{task}"
license = "Apache-2.0"
data = ["nothing"]
recipe = "{name}"
command = "pellucid train {name}"
limits = ["it does nothing"]

[figures]
"CBSD68, sigma 25" = "31.25 dB"

[sha256]
"{name}.onnx" = "{onnx}"
"{name}.safetensors" = "{safetensors}"
"""
KEYS = {"summary", "task", "license", "data", "recipe", "command", "limits", "figures", "sha256"}


def ship(folder, name, task="denoise"):
    hashes = {}
    for kind in ("onnx", "safetensors"):
        content = f"{name} as {kind}".encode()
        (folder / f"{name}.{kind}").write_bytes(content)
        hashes[kind] = hashlib.sha256(content).hexdigest()
    (folder / f"{name}.toml").write_text(CARD.format(name=name, task=task, **hashes))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two shipped denoisers and an estimator."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("photo", "photo-fast"):
        ship(folder, name)
    ship(folder, "noise-level", "estimate")
    monkeypatch.setattr(catalog, "FOLDER", folder)
    return folder


def test_a_shipped_network_is_found_by_name(folder):
    found = find("photo-fast")
    assert (found.name, found.onnx, found.safetensors) == (
        "photo-fast",
        folder / "photo-fast.onnx",
        folder / "photo-fast.safetensors",
    )
    assert found.card == tomllib.loads((folder / "photo-fast.toml").read_text())
    assert found.files == (found.onnx, found.safetensors)
    verify(found)


def test_denoisers_have_names_and_everything_has_a_card(folder):
    assert names() == ("photo", "photo-fast")
    assert set(cards()) == {"noise-level", "photo", "photo-fast"}
    assert find("noise-level").card == cards()["noise-level"]


def test_a_file_is_found_by_its_path_and_no_sibling_is_guessed(tmp_path):
    for kind in ("onnx", "safetensors"):
        (tmp_path / f"mine.{kind}").touch()
    onnx, safetensors = tmp_path / "mine.onnx", tmp_path / "mine.safetensors"
    assert find(onnx) == find(str(onnx)) == Weights("mine", onnx, None)
    assert find(safetensors) == find(str(safetensors)) == Weights("mine", None, safetensors)
    verify(find(onnx))


def test_a_name_is_a_name_even_beside_a_folder_of_that_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo").mkdir()
    assert find("photo").card


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("foto", 'unknown model "foto" (did you mean "photo"?)'),
        ("qqq", 'unknown model "qqq" (known: photo, photo-fast)'),
        ("", 'unknown model "" (known: photo, photo-fast)'),
        ("model.pt", "model.pt is no network: give a shipped one's name, or an .onnx or .safetensors file"),
        ("runs/photo", "runs/photo is no network: give a shipped one's name, or an .onnx or .safetensors file"),
        ("..", 'unknown model ".."'),
    ],
)
def test_unknown_networks_are_refused_with_the_known_ones(folder, model, message):
    with pytest.raises(UsageError) as refusal:
        find(model)
    assert message in str(refusal.value)
    assert str(refusal.value).endswith(": give a shipped one's name, or an .onnx or .safetensors file")


def test_a_path_is_no_name(folder):
    with pytest.raises(UsageError, match=r"photo is no network: give an \.onnx or \.safetensors file$"):
        find(Path("photo"))


def test_with_nothing_shipped_a_file_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "FOLDER", tmp_path)
    assert names() == () and cards() == {}
    with pytest.raises(UsageError) as refusal:
        find("photo")
    assert str(refusal.value) == 'unknown model "photo": give an .onnx or .safetensors file'


@pytest.mark.parametrize("name", ["gone.onnx", "gone.safetensors"])
def test_an_absent_file_is_named(tmp_path, name):
    with pytest.raises(PellucidError, match=f"cannot read the checkpoint .*{name}: No such file") as error:
        find(tmp_path / name)
    assert error.value.exit_status == 1


def test_a_damaged_file_is_named_with_the_remedy(folder):
    path = folder / "photo.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(PellucidError) as error:
        verify(find("photo"))
    assert str(error.value).startswith(f"{path} is not the file that its card describes (wrong SHA-256): install")
    verify(find("photo-fast"))


def test_a_file_that_is_missing_is_noticed(folder):
    (folder / "photo.onnx").unlink()
    with pytest.raises(PellucidError, match=r"photo\.onnx is missing: install Pellucid again"):
        find("photo")


def test_a_file_that_is_not_on_its_card_is_not_trusted(folder):
    card = folder / "photo-fast.toml"
    card.write_text(card.read_text().replace('"photo-fast.onnx" = ', '"photo-fast.toml" = '))
    with pytest.raises(PellucidError, match=r"photo-fast\.onnx is not the file"):
        verify(find("photo-fast"))


@pytest.mark.parametrize("name", cards())
def test_shipped_files_are_what_their_card_says_and_small_enough(name):
    found = find(name)
    assert found.card and set(found.card) >= KEYS
    assert found.onnx
    assert {path.name for path in found.files} == set(found.card["sha256"])
    assert all(path.stat().st_size <= 20e6 for path in found.files)
    verify(found)


def test_all_shipped_files_together_are_small_enough():
    assert sum(path.stat().st_size for path in catalog.FOLDER.iterdir() if path.is_file()) <= 45e6
