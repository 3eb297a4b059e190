"""The device and the number of threads on which torch computes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from pellucid.errors import UsageError


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that "auto", "cpu", "cuda" or "mps" stands for on this machine.

    "auto" is a CUDA GPU where torch can use one, otherwise the CPU. Each process that torchrun starts on a machine gets
    a GPU of its own.

    Raises:
        UsageError: if this machine lacks the device, or has fewer GPUs than processes.
    """
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if has_cuda else "cpu"
    if not {"cpu": True, "cuda": has_cuda, "mps": torch.backends.mps.is_available()}[name]:
        raise UsageError(f'device = "{name}": torch finds no such device here, set "cpu" or "auto"')
    if name != "cuda":
        return torch.device(name)
    index, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if index >= count:
        raise UsageError(f'device = "cuda": there are more processes than the {count} GPUs, start as many as GPUs')
    return torch.device(name, index)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device; the copy to a CUDA GPU runs in the background, from pinned memory."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[None]:
    """Let torch compute on `count` threads inside the block; None keeps the number, which the block may change."""
    before = torch.get_num_threads()
    if count is not None and count != before:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
