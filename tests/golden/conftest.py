"""Recorded values and what compares with them: to the bit on the machine that recorded them, closely on others."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
VALUES = HERE / "values"
IS_WRITING = bool(os.environ.get("PELLUCID_WRITE_GOLDEN"))
LIBRARIES = ("torch", "numpy", "onnxruntime", "scipy", "scikit-learn", "imagecodecs", "pillow", "tifffile")
CLOSE = 1e-4
# JSON keys renamed since the values were recorded, old to new: the recorded files themselves stay as they are.
RENAMED: dict[str, str] = {"each": "per_file", "remark": "note", "rivals": "baselines", "sigma": "sigma_255"}
# Keys of sentences for people: only whether there is one is compared.
SENTENCES = ("/note",)
# One processor, so that every library runs on one thread.
ON_ONE_CORE = """
import os, runpy, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
sys.argv[0] = "pellucid"
runpy.run_module("pellucid", run_name="__main__")
"""


def machine() -> dict:
    """What the last bits of a result depend on."""
    import torch

    features = torch.cpu.get_capabilities()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": features.get("cpu_name", ""),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "features": sorted(name for name, has_it in features.items() if has_it is True),
        "l2_cache_size": features.get("l2_cache_size"),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def described(array) -> dict:
    """An array's type and shape, its bits as a hash, and its mean for machines whose bits differ."""
    array = np.ascontiguousarray(array)
    return {
        "dtype": str(array.dtype),
        "shape": list(array.shape),
        "mean": float(array.mean(dtype=np.float64)),
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }


def renamed(value):
    if isinstance(value, dict):
        return {RENAMED.get(key, key): renamed(item) for key, item in value.items()}
    return [renamed(item) for item in value] if isinstance(value, list) else value


def differences(found, recorded, exact: bool, where: str = "") -> list[str]:
    """Say where two values differ; without `exact`, hashes may be others and floats apart by a little."""
    if isinstance(found, dict) and isinstance(recorded, dict) and found.keys() == recorded.keys():
        parts = [(f"{where}/{key}", found[key], recorded[key]) for key in recorded]
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        parts = [(f"{where}/{number}", left, recorded[number]) for number, left in enumerate(found)]
    else:
        is_reworded = where.endswith(SENTENCES) and bool(found) == bool(recorded)
        if found == recorded or is_reworded or (not exact and _is_close(found, recorded, where)):
            return []
        return [f"{where}: found {found!r}, recorded {recorded!r}"]
    return [line for place, left, right in parts for line in differences(left, right, exact, place)]


def _is_close(found, recorded, where: str) -> bool:
    if "sha256" in where:
        return type(found) is type(recorded)
    numbers = isinstance(found, float) and isinstance(recorded, float)
    return numbers and found == pytest.approx(recorded, rel=CLOSE, abs=CLOSE)


class Golden:
    """Compares with `values/NAME.json`, or writes it where PELLUCID_WRITE_GOLDEN is set."""

    def __init__(self, depends_on_machine: bool = True) -> None:
        self._depends = depends_on_machine

    def check(self, name: str, found: dict) -> None:
        path = VALUES / f"{name}.json"
        here = {"machine": machine()} if self._depends else {}
        if IS_WRITING:
            path.write_text(json.dumps({**here, "values": found}, indent=1) + "\n", encoding="utf-8")
        recorded = json.loads(path.read_text(encoding="utf-8"))
        exact = recorded.get("machine", {}) == here.get("machine", {})
        # Through JSON, as the recorded values went: tuples become lists, and keys text.
        found = json.loads(json.dumps(found))
        lines = differences(found, renamed(recorded["values"]), exact)
        assert not lines, f"{name}: {len(lines)} values differ:\n" + "\n".join(lines[:20])
        if not exact:
            pytest.skip(f"{name}: compared closely, not to the bit: recorded with other libraries or another processor")


@pytest.fixture
def golden() -> Golden:
    return Golden()


@pytest.fixture
def portable() -> Golden:
    """For values that are the same on every machine."""
    return Golden(depends_on_machine=False)


@pytest.fixture
def describe():
    return described


@pytest.fixture
def one_thread():
    """Runs torch on one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def command(tmp_path):
    """Runs the command line in a process of its own, on one core, in an empty folder; returns what it printed."""

    def run(*arguments, columns: int = 100) -> str:
        kept = {key: value for key, value in os.environ.items() if key not in ("PELLUCID_DATA", "FORCE_COLOR")}
        environment = kept | {
            "PYTHONPATH": str(HERE.parents[1] / "src"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": str(columns),
            "TERMINAL_WIDTH": str(columns),
            "NO_COLOR": "1",
            "TERM": "dumb",
        }
        program = [sys.executable, "-c", ON_ONE_CORE, *map(str, arguments)]
        done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
