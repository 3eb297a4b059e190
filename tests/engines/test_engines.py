"""All engines return the same; the one that runs is the requested one or the fastest."""

import dataclasses
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pellucid import registry
from pellucid.engines import autoselect
from pellucid.errors import PellucidError, UsageError
from pellucid.metrics.psnr import PSNR
from pellucid.weights.catalog import Weights

ENGINES = registry.names("engine")
BF16 = [name for name in ENGINES if "bf16" in registry.load("engine", name).precisions]
STEP = 1 / 255


def expected(network, noisy, sigma=None):
    with torch.no_grad():
        return network(torch.tensor(noisy), None if sigma is None else torch.tensor(sigma)).numpy()


@pytest.mark.parametrize("name", ENGINES)
def test_in_fp32_every_engine_agrees_with_the_network(name, files, network, batch):
    _, noisy, sigma = batch
    engine = autoselect.load_engine(files, name, threads=1, precision="fp32")
    assert (engine.name, engine.precision, engine.conditional) == (name, "fp32", True)
    assert engine.input_spec == network.input_spec
    denoised = engine(noisy, sigma)
    assert denoised.dtype == np.float32
    assert np.abs(denoised - expected(network, noisy, sigma)).max() < STEP / 10


@pytest.mark.parametrize("name", BF16)
def test_in_bf16_the_psnr_stays_within_2_hundredths_of_a_decibel(name, files, network, batch):
    clean, noisy, sigma = batch
    engine = autoselect.load_engine(files, name, threads=1, precision="bf16")
    assert engine.precision == "bf16"
    exact, rounded = expected(network, noisy, sigma), engine(noisy, sigma)
    assert rounded.dtype == np.float32
    assert np.abs(PSNR()(rounded, clean) - PSNR()(exact, clean)).max() < 0.02


@pytest.mark.parametrize("name", ENGINES)
def test_size_and_batch_may_change_from_call_to_call_and_the_input_stays(name, files, network):
    engine = autoselect.load_engine(files, name, threads=1, precision="fp32")
    step = network.input_spec.multiple_of
    for count, rows, columns in ((1, 2, 3), (3, 5, 2), (1, 2, 3)):
        noisy = np.random.default_rng(rows).random((count, 3, rows * step, columns * step), np.float32)
        before = noisy.copy()
        denoised = engine(noisy, np.full(count, 0.1, np.float32))
        assert denoised.shape == noisy.shape and np.array_equal(noisy, before)


@pytest.mark.parametrize("name", ENGINES)
def test_no_level_counts_as_level_0_and_a_view_is_taken_as_an_array(name, files, batch):
    engine = autoselect.load_engine(files, name, threads=1, precision="fp32")
    _, noisy, _ = batch
    rotated = noisy.transpose(0, 1, 3, 2)[:, :, ::-1]
    rotated.flags.writeable = False
    zeros = np.zeros(len(noisy), np.float32)
    np.testing.assert_array_equal(engine(rotated), engine(np.ascontiguousarray(rotated), zeros))


@pytest.mark.parametrize("name", ENGINES)
def test_a_network_without_a_level_takes_no_notice_of_one(name, unconditional):
    engine = autoselect.load_engine(unconditional, name, threads=1, precision="fp32")
    noisy = np.random.default_rng(0).random((2, 1, 8, 12), np.float32)
    assert not engine.conditional
    np.testing.assert_array_equal(engine(noisy), engine(noisy, np.full(2, 0.3, np.float32)))


def test_torch_leaves_the_threads_as_they_were(files, batch):
    before = torch.get_num_threads()
    autoselect.load_engine(files, "torch", threads=before + 1)(*batch[1:])
    assert torch.get_num_threads() == before


def test_little_and_unknown_work_go_to_onnx_runtime(files):
    for pixels in (None, 0, 7_999_999):
        engine = autoselect.load_engine(files, threads=1, pixels=pixels)
        assert (engine.name, engine.precision) == ("onnxruntime", "fp32")


def test_much_work_goes_to_the_fastest(files, monkeypatch):
    def measured(choices, threads):
        assert threads == 1
        return {f"{choice.engine} {choice.precision}": 1 / (1 + at) for at, choice in enumerate(choices)}

    monkeypatch.setattr(autoselect, "benchmark", measured)
    engine = autoselect.load_engine(files, threads=1, pixels=24_000_000)
    assert (engine.name, engine.precision) == ("torch", "bf16")
    engine = autoselect.load_engine(files, "openvino", threads=1, pixels=24_000_000)
    assert (engine.name, engine.precision) == ("openvino", "bf16")
    engine = autoselect.load_engine(files, threads=1, precision="fp32", pixels=24_000_000)
    assert (engine.name, engine.precision) == ("torch", "fp32")


def test_each_kind_of_file_has_its_engines(files):
    onnx, safetensors = Weights("a", files.onnx, None), Weights("a", None, files.safetensors)
    assert autoselect.load_engine(onnx, threads=1).name == "onnxruntime"
    assert autoselect.load_engine(safetensors, threads=1).name == "torch"
    with pytest.raises(UsageError, match=r"does not run on torch, which takes .safetensors files: use another"):
        autoselect.load_engine(onnx, "torch")
    with pytest.raises(UsageError, match=r"does not run on openvino, .* export it first: pellucid export"):
        autoselect.load_engine(safetensors, "openvino")


def shipped(files, *damaged) -> Weights:
    """Return the files as if they were shipped, the card of some of them being that of others."""
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files.files}
    card = {path.name: "0" * 64 if path.suffix in damaged else digest for path, digest in digests.items()}
    return dataclasses.replace(files, card={"sha256": card})


@pytest.mark.parametrize("name", ENGINES)
def test_of_shipped_files_the_one_that_is_used_has_to_be_what_its_card_says(name, files):
    used = registry.load("engine", name).reads
    (unused,) = {".onnx", ".safetensors"} - {used}
    assert autoselect.load_engine(shipped(files, unused), name, threads=1, precision="fp32").name == name
    with pytest.raises(PellucidError, match=rf"small\{used} is not the file that its card describes \(wrong SHA-256\)"):
        autoselect.load_engine(shipped(files, used), name, threads=1, precision="fp32")


def test_an_exported_file_is_read_once(files, monkeypatch):
    read, opened = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or read(path))
    weights = shipped(files)
    opened.clear()
    autoselect.load_engine(weights, threads=1)
    assert opened == [files.onnx]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "opnvino"}, 'unknown engine "opnvino" (did you mean "openvino"?)'),
        (
            {"engine": "onnxruntime", "precision": "bf16"},
            "onnxruntime does not compute in bf16: use the engine",
        ),
        ({"precision": "fp16"}, 'precision "fp16" is unknown: choose auto, fp32 or bf16'),
        ({"threads": -1}, "threads = -1 must be at least 0"),
    ],
)
def test_invalid_options_are_refused(files, options, message):
    with pytest.raises(UsageError) as refusal:
        autoselect.load_engine(files, **options)
    assert message in str(refusal.value)


@pytest.mark.parametrize(("name", "extra"), [("torch", "train"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed_names_its_extra_and_is_no_choice(name, extra, files, monkeypatch):
    present = importlib.util.find_spec
    monkeypatch.setattr(autoselect, "find_spec", lambda library: None if library == name else present(library))
    with pytest.raises(PellucidError) as refusal:
        autoselect.load_engine(files, name)
    assert str(refusal.value) == f'the engine {name} needs {name}: pip install "pellucid[{extra}]"'
    found: list[autoselect.EngineOption] = []
    monkeypatch.setattr(autoselect, "select_fastest", lambda choices, *rest: found.extend(choices) or choices[0])
    autoselect.load_engine(files, threads=1, pixels=1)
    assert found and name not in {choice.engine for choice in found}


def test_a_checkpoint_without_a_denoiser_and_a_network_for_another_task_are_refused(classifier):
    with pytest.raises(PellucidError, match=r"digits.safetensors holds no denoiser: give a checkpoint that does"):
        autoselect.load_engine(Weights("digits", None, classifier.safetensors))
    with pytest.raises(PellucidError, match=r'digits.onnx holds a network for the task "classify": give one'):
        autoselect.load_engine(Weights("digits", classifier.onnx, None))


@pytest.mark.parametrize("name", ENGINES)
def test_a_batch_that_does_not_fit_is_one_line(name, files):
    engine = autoselect.load_engine(files, name, threads=1)
    with pytest.raises(PellucidError, match="failed") as refusal:
        engine(np.zeros((1, 5, 8, 8), np.float32), np.zeros(1, np.float32))
    assert "\n" not in str(refusal.value)


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that are loaded after running `code` in a new interpreter."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in result.stdout.split()}


def test_importing_the_engines_loads_none_of_their_libraries():
    code = "from pellucid import engines, registry\nfor name in registry.names('engine'): registry.load('engine', name)"
    assert not loaded_by(code) & {"torch", "onnxruntime", "openvino", "onnx", "PIL"}


def test_an_exported_network_never_loads_torch(files):
    code = (
        "import numpy as np\nfrom pellucid.engines.autoselect import load_engine\n"
        "from pellucid.weights import catalog\n"
        f"engine = load_engine(catalog.find({str(files.onnx)!r}), threads=1)\n"
        "engine(np.zeros((1, 3, 8, 8), np.float32), np.zeros(1, np.float32))"
    )
    loaded = loaded_by(code)
    assert "onnxruntime" in loaded and not loaded & {"torch", "openvino", "onnx", "safetensors"}
