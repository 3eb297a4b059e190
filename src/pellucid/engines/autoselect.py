"""Load a network into an engine; the fastest one is measured once and remembered in the user's cache."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid import registry
from pellucid.engines.base import Engine, Precision
from pellucid.errors import PellucidError, UsageError
from pellucid.metrics.psnr import psnr_from_mse
from pellucid.utils.atomic_write import atomic_write
from pellucid.utils.paths import cache_root
from pellucid.utils.system import cpu_name, num_cores
from pellucid.weights.catalog import Weights, digest

# Loading torch or OpenVINO takes a second or two, and measuring them some seconds more. In that time the engine that
# starts fastest denoises about this many pixels.
MIN_PIXELS_TO_LOAD = 8_000_000
MIN_PIXELS_TO_BENCHMARK = 24_000_000

IMAGE_SIDE = 384
NUM_REPEATS = 3
SIGMA = 0.1
# In an image 34 dB from the clean one, an error this small costs less than 0.02 dB.
MIN_AGREEMENT_DB = 58.0


@dataclass(frozen=True)
class EngineOption:
    """An engine, and the file and the precision that it would run with.

    Attributes:
        engine: the name of the engine.
        precision: the precision of the computation.
        path: the file to load.
        sha256: the SHA-256 of that file on its card; None is not checked.
    """

    engine: str
    precision: Precision
    path: Path
    sha256: str | None = None

    def load(self, threads: int) -> Engine:
        """Load the network; raises PellucidError as the engine does."""
        return registry.load("engine", self.engine)(self.path, threads, self.precision, self.sha256)


def load_engine(
    weights: Weights,
    engine: str = "auto",
    threads: int = 0,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    pixels: int | None = None,
) -> Engine:
    """Load a network into an engine.

    If several engines are possible, a little work goes to the one that starts fastest, in float32, and a lot of work to
    the one that was measured to be fastest on this machine.

    Args:
        weights: from `pellucid.weights.catalog.find`; the file is checked against its card if it has one.
        engine: a name, or `auto`.
        threads: the number of threads; 0 for all cores that this process may use.
        precision: `fp32`, `bf16`, or `auto`.
        pixels: the amount of work: height times width, summed over all images; None if it is not known.

    Raises:
        UsageError: for an unknown engine or precision, or if the weights have no file for the engine.
        PellucidError: if the engine is not installed, or the file is damaged.
    """
    if threads < 0:
        raise UsageError(f"threads = {threads} must be at least 0, which stands for all cores")
    if precision not in ("auto", "fp32", "bf16"):
        raise UsageError(f'precision "{precision}" is unknown: choose auto, fp32 or bf16')
    options = _engine_options(weights, engine, precision)
    threads = threads or num_cores()
    selected = options[0] if len(options) == 1 or pixels is None else select_fastest(options, threads, pixels)
    return selected.load(threads)


def _engine_options(weights: Weights, engine: str, precision: str) -> list[EngineOption]:
    """Return the engines that can be loaded, the one that starts fastest first; raises if there are none."""
    files = {path.suffix: path for path in weights.files}
    all_kinds = [registry.load("engine", name) for name in registry.names("engine")]
    all_kinds.sort(key=lambda kind: kind.startup)
    kinds = all_kinds if engine == "auto" else [registry.load("engine", engine)]
    readers = [kind for kind in kinds if kind.reads in files]
    if not readers:
        raise UsageError(
            f"{weights.files[0]} does not run on {kinds[0].name}, which takes {kinds[0].reads} files: "
            + ("export it first: pellucid export" if kinds[0].reads == ".onnx" else "use another engine")
        )
    installed = [kind for kind in readers if find_spec(kind.library)]
    if not installed:
        extra = f"pellucid[{readers[0].extra}]" if readers[0].extra else "pellucid"
        raise PellucidError(f'the engine {readers[0].name} needs {readers[0].library}: pip install "{extra}"')
    options = [
        EngineOption(kind.name, available, files[kind.reads], weights.sha256(files[kind.reads]))
        for kind in installed
        for available in kind.precisions
        if precision in ("auto", available)
    ]
    if not options:
        others = [kind.name for kind in all_kinds if precision in kind.precisions]
        raise UsageError(f"{installed[0].name} does not compute in {precision}: use the engine {' or '.join(others)}")
    return options


def select_fastest(options: Sequence[EngineOption], threads: int, pixels: int) -> EngineOption:
    """Return the first option for a little work, else the fastest whose results agree with those of the first.

    Args:
        options: the one that starts fastest first.
        threads: the number of threads.
        pixels: the amount of work.
    """
    if pixels < MIN_PIXELS_TO_LOAD:
        return options[0]
    key = _key(options, threads)
    seconds = _read_cache().get(key)
    if seconds is None:
        if pixels < MIN_PIXELS_TO_BENCHMARK:
            return options[0]
        seconds = benchmark(options, threads)
        _write_cache(key, seconds)
    best = min(seconds, key=lambda name: seconds[name], default="")
    return next((option for option in options if _label(option) == best), options[0])


def benchmark(options: Sequence[EngineOption], threads: int) -> dict[str, float]:
    """Return the seconds per megapixel of each option, without those that fail or do not agree with the first."""
    seconds = {}
    expected = None
    for option in options:
        # If a library is broken, the others still work: an engine that fails is left out.
        with suppress(Exception):
            engine = option.load(threads)
            noisy, sigma = _example(engine)
            denoised = engine(noisy, sigma)
            expected = denoised if expected is None else expected
            if _psnr_between(denoised, expected) >= MIN_AGREEMENT_DB:
                seconds[_label(option)] = _seconds(engine, noisy, sigma)
    return seconds


def _example(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images, with about as many pixels as a tile, and their noise levels."""
    spec = engine.input_spec
    height, width = spec.fixed_size or 2 * (IMAGE_SIDE // spec.multiple_of * spec.multiple_of,)
    count = max(1, IMAGE_SIDE * IMAGE_SIDE // (height * width))
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((count, spec.channels[0], height, width), np.float32)
    return ramp + SIGMA * noise, np.full(count, SIGMA, np.float32)


def _seconds(engine: Engine, noisy: np.ndarray, sigma: np.ndarray) -> float:
    """Return the shortest time for a megapixel: other work on the machine can only add to it."""
    times = []
    for _ in range(NUM_REPEATS):
        start = time.perf_counter()
        engine(noisy, sigma)
        times.append(time.perf_counter() - start)
    return min(times) * 1e6 / (len(noisy) * noisy.shape[-2] * noisy.shape[-1])


def _psnr_between(denoised: np.ndarray, expected: np.ndarray) -> float:
    """Return the PSNR between two results, in dB."""
    return float(psnr_from_mse(np.square(denoised - expected, dtype=np.float64).mean() + 1e-12))


def _label(option: EngineOption) -> str:
    return f"{option.engine} {option.precision}"


def _key(options: Sequence[EngineOption], threads: int) -> str:
    """Return all that a measurement depends on: the machine, the versions, the files and the options."""
    from importlib.metadata import version

    libraries = sorted({registry.load("engine", option.engine).library for option in options})
    parts = [
        cpu_name(),
        f"{threads} threads",
        f"GPU {Path('/dev/nvidia0').exists()} {os.environ.get('CUDA_VISIBLE_DEVICES')}",
        *(f"{library} {version(library)}" for library in libraries),
        *sorted({(option.sha256 or digest(option.path))[:16] for option in options}),
        *map(_label, options),
    ]
    return "; ".join(parts)


def _cache() -> Path:
    return cache_root() / "engines.json"


def _read_cache() -> dict[str, dict[str, float]]:
    """Return earlier measurements by key; a cache that cannot be read counts as empty."""
    try:
        content = json.loads(_cache().read_text(encoding="utf-8"))
        return {key: {name: float(value) for name, value in seconds.items()} for key, seconds in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_cache(key: str, seconds: dict[str, float]) -> None:
    """Add a measurement to the cache; if it cannot be written, the next run measures again."""
    with suppress(OSError, PellucidError):
        _cache().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_cache()) as temporary:
            temporary.write_text(json.dumps(_read_cache() | {key: seconds}, indent=1), encoding="utf-8")
