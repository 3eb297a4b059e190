"""`pellucid export` writes what `pellucid.engines.onnx_export` checks, and says how far it is from torch."""

import json

import pytest

from pellucid.engines.onnx_parser import read_onnx


def test_export_writes_the_denoiser_and_says_how_close_it_is(run, trained, tmp_path):
    out = tmp_path / "conv.onnx"
    outcome = run("export", trained["conv"] / "best.safetensors", "-o", out, "--json", tmp_path / "figures.json")
    assert outcome.status == 0
    assert f"{out}: the denoiser of {trained['conv'] / 'best.safetensors'}" in outcome.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["bytes"] == out.stat().st_size and figures["difference"] < 1e-4
    read = read_onnx(out)
    assert read.name == "conv" and read.recipe["model"]["widths"] == [4, 4]


def test_name_half_and_network_are_as_asked(run, trained, tmp_path):
    out = tmp_path / "x.onnx"
    options = ("--name", "reader", "--half", "--network", "classifier")
    outcome = run("export", trained["dense"] / "combined.safetensors", "-o", out, *options)
    assert "the classifier of" in outcome.stdout and "different from the network with float32 weights" in outcome.stdout
    assert read_onnx(out, "classify").name == "reader"


def test_of_a_classifier_alone_the_classifier_is_taken(run, trained, tmp_path):
    outcome = run("export", trained["dense"] / "classifier" / "best.safetensors", "-o", tmp_path / "x.onnx")
    assert "the classifier of" in outcome.stdout


@pytest.mark.parametrize(
    ("status", "source", "out", "options", "message"),
    [
        (2, "conv", "x.pt", (), "x.pt does not end in .onnx: give a name that does"),
        (2, "conv", "x.onnx", ("--network", "classifier"), "holds no classifier: it holds a denoiser"),
        (2, "conv", "old.onnx", (), "old.onnx exists: name another file, or give --overwrite"),
        (1, "conv", "gone/x.onnx", (), "its folder does not exist; create it first"),
        (1, "gone", "x.onnx", (), "cannot read the checkpoint"),
    ],
)
def test_what_cannot_be_exported_is_refused(refused, trained, tmp_path, status, source, out, options, message):
    (tmp_path / "old.onnx").write_text("old")
    checkpoint = trained.get(source, tmp_path / source) / "best.safetensors"
    assert message in refused(status, "export", checkpoint, "-o", tmp_path / out, *options)
    assert [path.name for path in tmp_path.iterdir()] == ["old.onnx"]


def test_an_output_is_replaced_when_asked(run, trained, tmp_path):
    out = tmp_path / "x.onnx"
    out.write_text("old")
    assert run("export", trained["conv"] / "best.safetensors", "-o", out, "--overwrite").status == 0
    assert read_onnx(out)
