"""Images that are no 8-bit photographs: their range goes from the list through training into every file, and back."""

from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from pellucid import checkpoint
from pellucid.cli import app
from pellucid.data.files_json import Entry, FileList, write_file_list
from pellucid.engines.onnx_export import export
from pellucid.inference.denoiser import Denoiser
from pellucid.recipes.recipe import Recipe
from pellucid.train.loop import train

CHANNELS = {"uint16": 5, "float32": 4, "uint8": 1}
WHITES = {"uint16": 3000.0, "float32": 700.0, "uint8": 255.0}


def stack(dtype, noise=0.05):
    """Two pages (2, 24, 26, C), noisy ones by default."""
    clean, more = (np.random.default_rng(seed).standard_normal((2, 24, 26, CHANNELS[dtype])) for seed in (0, 1))
    return ((0.5 + 0.1 * clean + noise * more).clip(0.05, 0.95) * WHITES[dtype]).astype(dtype)


def write(path, pixels):
    layout: Any = {"photometric": "minisblack", "planarconfig": "contig"} if pixels.ndim == 4 else {}
    tifffile.imwrite(path, pixels, **layout)


@pytest.fixture(scope="module", params=list(CHANNELS))
def trained(request, tmp_path_factory):
    """The type of the samples, the checkpoint that was trained on them, and what it was exported to."""
    dtype, folder = request.param, tmp_path_factory.mktemp(request.param)
    files = {}
    for role, noise in (("noisy", 0.05), ("clean", 0.0)):
        files[role] = str(folder / f"{role}.tif")
        write(files[role], stack(dtype, noise).squeeze())
    entries = tuple(Entry(**files, second_capture=None, group=part, split=part) for part in ("train", "validation"))
    write_file_list(folder / "files.json", FileList("pairs", CHANNELS[dtype], dtype, WHITES[dtype], entries))
    recipe = {
        "name": "own",
        "summary": "For the tests",
        "data": {"name": "listed", "path": str(folder / "files.json"), "patch": 16, "num_patches": 16},
        "model": {"name": "unet", "channels": CHANNELS[dtype], "widths": [4, 8]},
        "loss": {"name": "l1"},
        "train": {"epochs": 1, "batch_size": 8, "lr": 0.01, "threads": 1, "precision": "fp32"},
    }
    best = train(Recipe.from_dict(recipe), folder / "run").best
    network = checkpoint.load(best).networks["denoiser"]
    export(network, folder / "own.onnx", "own", recipe)
    return dtype, best, folder / "own.onnx"


def test_the_range_is_in_every_file_that_holds_the_network(trained):
    dtype, *paths = trained
    for path in paths:
        spec = Denoiser.load(path, threads=1).input_spec
        assert (spec.dtype, spec.data_range) == (("", 0) if dtype == "uint8" else (dtype, WHITES[dtype]))


def test_it_is_the_range_of_arrays_of_that_type_alone(trained, monkeypatch):
    dtype, *paths = trained
    seen = []
    monkeypatch.setattr(
        "pellucid.inference.denoiser.Denoiser._check_fit", lambda self, frames: seen.append(frames.data_range)
    )
    for path in paths:
        denoiser = Denoiser.load(path, threads=1)
        for kind in ("uint8", "uint16", "float32"):
            image = np.full((16, 16, CHANNELS[dtype]), 0.5 if kind == "float32" else 200, kind)
            denoiser(image, channel_axis=-1, strength=0)
            denoiser(image, channel_axis=-1, strength=0, data_range=77)
    usual = {"uint8": 255, "uint16": 4095, "float32": 1} | {dtype: WHITES[dtype]}
    assert seen == [data_range for kind in ("uint8", "uint16", "float32") for data_range in (usual[kind], 77)] * 2


def test_a_stack_of_any_channels_comes_back_in_its_type_and_range(trained):
    dtype, best, onnx = trained
    noisy = stack(dtype)
    denoised = Denoiser.load(best, threads=1)(noisy, channel_axis=-1)
    assert denoised.dtype == dtype and denoised.shape == noisy.shape
    assert not np.array_equal(denoised, noisy) and np.abs(denoised.mean() / noisy.mean() - 1) < 0.5
    apart = np.stack([Denoiser.load(best, threads=1)(page, channel_axis=-1) for page in noisy])
    np.testing.assert_allclose(apart, denoised, rtol=1e-5, atol=1)
    np.testing.assert_allclose(Denoiser.load(onnx, threads=1)(noisy, channel_axis=-1), denoised, rtol=1e-4, atol=1)


def test_a_file_comes_back_as_it_was_and_nothing_is_guessed(trained, tmp_path):
    dtype, best, _ = trained
    noisy = stack(dtype).squeeze()
    write(tmp_path / "in.tif", noisy)
    done = CliRunner().invoke(
        app, ["denoise", str(tmp_path / "in.tif"), "-m", str(best), "-o", str(tmp_path / "out.tif")]
    )
    assert done.exit_code == 0, done.output
    assert "white" not in done.output
    found = tifffile.imread(tmp_path / "out.tif")
    assert found.dtype == dtype and found.shape == noisy.shape
    wanted = Denoiser.load(best, threads=1)(noisy.reshape(stack(dtype).shape), channel_axis=-1)
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1)
