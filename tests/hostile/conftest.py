import importlib
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.image import ImageFile, read_image, write_image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MOST_PIXELS = 20_000_000


@pytest.fixture
def files(monkeypatch) -> Callable[[str], ModuleType]:
    """Import a module of benchmarks/hostile_files by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return lambda name: importlib.import_module(f"hostile_files.{name}")


@pytest.fixture(scope="session")
def opened():
    """Read a file and write it again; return the image, or the one line that refuses it or its writing."""

    def opened(data: bytes) -> ImageFile | str:
        try:
            image = read_image(io.BytesIO(data), MOST_PIXELS)
            written = io.BytesIO()
            write_image(written, image.pixels, like=image)
        except PellucidError as error:
            message = str(error)
            assert "\n" not in message and message.isprintable() and len(message) < 600
            return message
        assert image.pixels.dtype in (np.uint8, np.uint16, np.float32) and image.pixels.size
        again = read_image(io.BytesIO(written.getvalue()), MOST_PIXELS)
        # Of equal frames in a row an animation keeps one.
        assert image.is_stack or again.pixels.shape == image.pixels.shape
        assert again.pixels.dtype == image.pixels.dtype
        return image

    return opened
