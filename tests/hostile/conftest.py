import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MAX_PIXELS = 20_000_000


@pytest.fixture
def files(monkeypatch) -> Callable[[str], ModuleType]:
    """Import a module of benchmarks/hostile_files by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: importlib.import_module(f"hostile_files.{name}")


@pytest.fixture
def read_and_write(files) -> Callable[[bytes], Any]:
    """Read a file and write it again; return the image, or the message of the error."""
    return functools.partial(files("round_trip").read_and_write, max_pixels=MAX_PIXELS)
