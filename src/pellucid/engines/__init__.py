"""Engines: what runs a denoising network, each behind the same call; a library is imported when its engine starts."""

from importlib.util import find_spec
from typing import Literal

from pellucid import registry
from pellucid.engines.autoselect import Choice, fastest
from pellucid.engines.base import Engine, Precision
from pellucid.errors import PellucidError, UsageError
from pellucid.utils.system import cores
from pellucid.weights import Weights

__all__ = ["Engine", "Precision", "start"]


def start(
    weights: Weights,
    engine: str = "auto",
    threads: int = 0,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    pixels: int | None = None,
) -> Engine:
    """Load a network into an engine.

    Where something is left open, little work goes to what starts fastest, in float32, and much work to what a probe
    finds to be fastest here (see `pellucid.engines.autoselect`).

    Args:
        weights: from `pellucid.weights.find`; the file that is used is checked against its card, if it has one.
        engine: a name, or `auto`.
        threads: how many to run on; 0 for all cores that this process may use.
        precision: `fp32`, `bf16`, or `auto`.
        pixels: how much work there will be: height times width, summed over all images; None if it is not known.

    Raises:
        UsageError: for an unknown engine or precision, or if none of the engine's files is there.
        PellucidError: if the engine is not installed, or the file is damaged.
    """
    if threads < 0:
        raise UsageError(f"threads = {threads} must be at least 0, which stands for all cores")
    if precision not in ("auto", "fp32", "bf16"):
        raise UsageError(f'precision "{precision}" is unknown: choose auto, fp32 or bf16')
    choices = _choices(weights, engine, precision)
    threads = threads or cores()
    chosen = choices[0] if len(choices) == 1 or pixels is None else fastest(choices, threads, pixels)
    return chosen.start(threads)


def _choices(weights: Weights, engine: str, precision: str) -> list[Choice]:
    """Return what may be started, in order; raises if that is nothing."""
    files = {path.suffix: path for path in weights.files}
    everything = [registry.load("engine", name) for name in registry.names("engine")]
    everything.sort(key=lambda kind: kind.startup)
    kinds = everything if engine == "auto" else [registry.load("engine", engine)]
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
    choices = [
        Choice(kind.name, offered, files[kind.reads], weights.sha256(files[kind.reads]))
        for kind in installed
        for offered in kind.precisions
        if precision in ("auto", offered)
    ]
    if not choices:
        others = [kind.name for kind in everything if precision in kind.precisions]
        raise UsageError(f"{installed[0].name} does not compute in {precision}: use the engine {' or '.join(others)}")
    return choices
