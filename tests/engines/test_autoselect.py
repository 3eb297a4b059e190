"""The probe measures once, remembers, and leaves out what fails or does not agree."""

import json

import numpy as np
import pytest

from pellucid import registry
from pellucid.engines import autoselect
from pellucid.engines.autoselect import EngineOption, benchmark, select_fastest
from pellucid.input_spec import InputSpec


@pytest.fixture
def choices(files) -> list[EngineOption]:
    return [EngineOption("onnxruntime", "fp32", files.onnx), EngineOption("openvino", "bf16", files.onnx)]


@pytest.fixture
def measured(monkeypatch):
    """Count the measurements, in which the last choice always wins."""
    calls = []

    def instead(choices, threads):
        calls.append(threads)
        return {f"{choice.engine} {choice.precision}": 1.0 - 0.1 * at for at, choice in enumerate(choices)}

    monkeypatch.setattr(autoselect, "benchmark", instead)
    return calls


def test_a_measurement_has_a_figure_for_each_choice(choices, monkeypatch):
    monkeypatch.setattr(autoselect, "IMAGE_SIDE", 32)
    seconds = benchmark(choices, 1)
    assert set(seconds) == {"onnxruntime fp32", "openvino bf16"}
    assert all(value > 0 for value in seconds.values())


def test_the_first_is_taken_until_the_work_is_worth_a_measurement(choices, measured, cache):
    assert select_fastest(choices, 1, 23_999_999) == choices[0]
    assert not measured and not cache.exists()
    assert select_fastest(choices, 1, 24_000_000) == choices[1]
    assert measured == [1]
    # Known now, the answer pays for less work too.
    assert select_fastest(choices, 1, 8_000_000) == choices[1]
    assert select_fastest(choices, 1, 7_999_999) == choices[0]
    assert measured == [1]


def test_it_is_measured_again_for_other_threads_versions_files_and_processors(choices, measured, monkeypatch, tmp_path):
    much = 24_000_000
    select_fastest(choices, 1, much)
    select_fastest(choices, 2, much)
    assert measured == [1, 2]
    monkeypatch.setattr("importlib.metadata.version", lambda library: "9.9")
    select_fastest(choices, 1, much)
    monkeypatch.setattr(autoselect, "cpu_name", lambda: "another")
    select_fastest(choices, 1, much)
    other = tmp_path / "other.onnx"
    other.write_bytes(choices[0].path.read_bytes() + b"\x00")
    select_fastest([EngineOption(choice.engine, choice.precision, other) for choice in choices], 1, much)
    assert measured == [1, 2, 1, 1, 1]


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"a": {"b": "c"}}', "\x00"])
def test_a_damaged_cache_counts_as_none(content, choices, measured, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    assert select_fastest(choices, 1, 24_000_000) == choices[1]
    assert len(json.loads(cache.read_text())) == 1


def test_a_cache_that_cannot_be_written_does_no_harm(choices, measured, cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file where the folder would be")
    assert select_fastest(choices, 1, 24_000_000) == choices[1]


def test_a_remembered_engine_that_is_gone_is_not_taken(choices, monkeypatch):
    monkeypatch.setattr(autoselect, "benchmark", lambda *_: {"torch bf16": 0.1})
    assert select_fastest(choices, 1, 24_000_000) == choices[0]
    monkeypatch.setattr(autoselect, "_key", lambda *_: "another")
    monkeypatch.setattr(autoselect, "benchmark", lambda *_: {})
    assert select_fastest(choices, 1, 24_000_000) == choices[0]


class Stub:
    """An engine that is off by `error`, or fails."""

    library = "numpy"
    conditional = False

    def __init__(self, error: float | None, spec: InputSpec) -> None:
        self.error, self.input_spec = error, spec
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, noisy, sigma):
        if self.error is None:
            raise OSError("its library is broken")
        self.shapes.append(noisy.shape)
        assert sigma.shape == (len(noisy),)
        return noisy + np.float32(self.error)


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (InputSpec(), (1, 1, 384, 384)),
        (InputSpec(channels=(3,), multiple_of=36), (1, 3, 360, 360)),
        (InputSpec(channels=(1,), fixed_size=(28, 20)), (263, 1, 28, 20)),
    ],
)
def test_only_what_works_and_agrees_is_measured_on_images_that_fit(files, monkeypatch, spec, shape):
    engines = {"exact": Stub(0.0, spec), "close": Stub(1e-4, spec), "off": Stub(0.01, spec), "broken": Stub(None, spec)}
    monkeypatch.setattr(registry, "load", lambda kind, name: lambda *_: engines[name])
    seconds = benchmark([EngineOption(name, "fp32", files.onnx) for name in engines], 1)
    assert set(seconds) == {"exact fp32", "close fp32"}
    assert set(engines["exact"].shapes) == {shape}
