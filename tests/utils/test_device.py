"""Devices by name, generators on a device, and the number of torch's threads."""

import pytest
import torch

from pellucid.errors import UsageError
from pellucid.utils.device import resolve_device, to_device, torch_threads
from pellucid.utils.seeding import make_generator


@pytest.fixture
def machine(monkeypatch):
    """Sets how many CUDA GPUs the machine has, and whether it has Apple's."""

    def machine(gpus, has_mps=False, rank=0):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has_mps)
        monkeypatch.setenv("LOCAL_RANK", str(rank))

    return machine


@pytest.mark.parametrize(
    ("name", "gpus", "has_mps", "rank", "device"),
    [
        ("auto", 0, True, 0, "cpu"),
        ("auto", 1, False, 0, "cuda:0"),
        ("auto", 2, False, 1, "cuda:1"),
        ("cuda", 4, False, 3, "cuda:3"),
        ("cpu", 4, True, 0, "cpu"),
        ("mps", 0, True, 0, "mps"),
    ],
)
def test_a_name_stands_for_a_device_of_this_machine(machine, name, gpus, has_mps, rank, device):
    machine(gpus, has_mps, rank)
    assert resolve_device(name) == torch.device(device)


def test_a_device_that_the_machine_lacks_is_refused(machine):
    machine(0)
    for name in ("cuda", "mps"):
        with pytest.raises(UsageError, match=f'device = "{name}": torch finds no such device here, set "cpu"'):
            resolve_device(name)
    machine(2, rank=2)
    with pytest.raises(UsageError, match="more processes than the 2 GPUs, start as many as GPUs"):
        resolve_device("auto")


def test_a_generator_of_a_device_repeats_its_numbers_and_depends_on_its_key(device):
    def numbers(*key):
        return torch.rand(3, generator=make_generator(7, *key, device=device), device=device).tolist()

    assert numbers("noise", 1) == numbers("noise", 1) != numbers("noise", 2)


def test_a_tensor_arrives_on_the_device(device):
    values = torch.arange(5)
    assert to_device(values, torch.device(device)).tolist() == [0, 1, 2, 3, 4]
    assert to_device(values, torch.device("cpu")) is values


def test_the_number_of_threads_is_restored():
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with torch_threads():
        torch.set_num_threads(before + 2)
    assert torch.get_num_threads() == before
