"""Settings and fixtures that all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from pellucid.errors import PellucidError

# Read by torch, NumPy and OpenCV when they load: the tests run in parallel, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: how long an example takes depends on what else the machine is doing.
settings.register_profile("pellucid", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pellucid")


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """Call a function that must raise a PellucidError with a message of one line, and return the message."""

    def refusal(function: Callable[..., object], *arguments: object, **options: object) -> str:
        with pytest.raises(PellucidError) as caught:
            function(*arguments, **options)
        message = str(caught.value)
        assert "\n" not in message and len(message) < 600
        return message

    return refusal


@pytest.fixture(scope="session")
def exported() -> Path:
    """A small conditional network for RGB images with random weights, as an ONNX file.

    It is stored, since exporting takes seconds; PELLUCID_WRITE_GOLDEN=1 writes it again.
    """
    path = Path(__file__).parent / "golden" / "small.onnx"
    if os.environ.get("PELLUCID_WRITE_GOLDEN"):
        import torch

        from pellucid import registry
        from pellucid.engines.onnx_export import export

        torch.manual_seed(0)
        network = registry.build("model", "unet", {"channels": 3, "widths": [4, 8, 8], "condition": True})
        export(network, path, "small", {})
    return path


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    """The name of a device: the CPU, and a CUDA GPU where there is one."""
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("torch finds no CUDA GPU")
    return request.param
