"""Which engine is the fastest here: measured once, remembered in the user's cache."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid import registry
from pellucid.engines.base import Engine, Precision
from pellucid.errors import PellucidError
from pellucid.utils.paths import cache_root
from pellucid.utils.system import processor
from pellucid.weights import digest

# Loading torch or OpenVINO takes a second or two, measuring them some seconds more. In that time the engine that
# starts fastest cleans about so many pixels.
WORTH_LOADING = 8_000_000
WORTH_PROBING = 24_000_000

SIDE = 384
REPEATS = 3
SIGMA = 0.1
# Of an image that is 34 dB from the clean one, an error at this distance takes less than 0.02 dB.
LEAST_AGREEMENT = 58.0


@dataclass(frozen=True)
class Choice:
    """An engine and what it would run.

    Attributes:
        engine: its name.
        precision: what it would compute in.
        path: the file that it would load.
        sha256: what that file has to be, as its card says; None takes any.
    """

    engine: str
    precision: Precision
    path: Path
    sha256: str | None = None

    def start(self, threads: int) -> Engine:
        """Load the network; raises PellucidError as the engine does."""
        return registry.load("engine", self.engine)(self.path, threads, self.precision, self.sha256)


def fastest(choices: Sequence[Choice], threads: int, pixels: int) -> Choice:
    """Return the choice to start for so much work: the first for little, else the fastest that agrees with the first.

    Args:
        choices: the one that starts fastest ahead.
        threads: how many to run on.
        pixels: how much work there will be.
    """
    if pixels < WORTH_LOADING:
        return choices[0]
    key = _key(choices, threads)
    remembered = _recall().get(key)
    if remembered is None:
        if pixels < WORTH_PROBING:
            return choices[0]
        remembered = measure(choices, threads)
        _remember(key, remembered)
    best = min(remembered, key=lambda name: remembered[name], default="")
    return next((choice for choice in choices if _label(choice) == best), choices[0])


def measure(choices: Sequence[Choice], threads: int) -> dict[str, float]:
    """Return the seconds that each choice takes for a megapixel, those left out that fail or do not agree."""
    seconds = {}
    expected = None
    for choice in choices:
        # Whatever is wrong with a library, the others still work: an engine that fails is no choice, and no error.
        with suppress(Exception):
            engine = choice.start(threads)
            noisy, sigma = _example(engine)
            denoised = engine(noisy, sigma)
            expected = denoised if expected is None else expected
            if _agreement(denoised, expected) >= LEAST_AGREEMENT:
                seconds[_label(choice)] = _seconds(engine, noisy, sigma)
    return seconds


def _example(engine: Engine) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images, about as many pixels as in a tile, and their levels."""
    spec = engine.input_spec
    height, width = spec.fixed_size or 2 * (SIDE // spec.multiple_of * spec.multiple_of,)
    count = max(1, SIDE * SIDE // (height * width))
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((count, spec.channels[0], height, width), np.float32)
    return ramp + SIGMA * noise, np.full(count, SIGMA, np.float32)


def _seconds(engine: Engine, noisy: np.ndarray, sigma: np.ndarray) -> float:
    """Return the shortest time for a megapixel: what else the machine is doing only ever adds to it."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        engine(noisy, sigma)
        times.append(time.perf_counter() - start)
    return min(times) * 1e6 / (len(noisy) * noisy.shape[-2] * noisy.shape[-1])


def _agreement(denoised: np.ndarray, expected: np.ndarray) -> float:
    """Return the PSNR between two results, in dB."""
    return float(-10 * np.log10(np.square(denoised - expected, dtype=np.float64).mean() + 1e-12))


def _label(choice: Choice) -> str:
    return f"{choice.engine} {choice.precision}"


def _key(choices: Sequence[Choice], threads: int) -> str:
    """Return what the measurement depends on: the machine, the versions, the files, and what is open to choose."""
    from importlib.metadata import version

    libraries = sorted({registry.load("engine", choice.engine).library for choice in choices})
    parts = [
        processor(),
        f"{threads} threads",
        f"GPU {Path('/dev/nvidia0').exists()} {os.environ.get('CUDA_VISIBLE_DEVICES')}",
        *(f"{library} {version(library)}" for library in libraries),
        *sorted({(choice.sha256 or digest(choice.path))[:16] for choice in choices}),
        *map(_label, choices),
    ]
    return "; ".join(parts)


def _cache() -> Path:
    return cache_root() / "engines.json"


def _recall() -> dict[str, dict[str, float]]:
    """Return what was measured before, by key; a cache that cannot be read is an empty one."""
    try:
        found = json.loads(_cache().read_text(encoding="utf-8"))
        return {key: {name: float(value) for name, value in seconds.items()} for key, seconds in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(key: str, seconds: dict[str, float]) -> None:
    """Add a measurement to the cache; where it cannot be written, the next run measures again."""
    from pellucid.utils.atomic_write import atomic_write

    with suppress(OSError, PellucidError):
        _cache().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_cache()) as temporary:
            temporary.write_text(json.dumps(_recall() | {key: seconds}, indent=1), encoding="utf-8")
