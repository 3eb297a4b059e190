import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def part(monkeypatch) -> Callable[[str], ModuleType]:
    """Import a program of benchmarks/, or a module of its, as the programs themselves do."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module
