import platform
import resource

import pytest
import torch

from pellucid.train.malloc import keep_freed_memory

VALUES = 12 * 2**20  # 48 MB, above the 32 MB from which glibc gives a block back as soon as it is freed


def faults_of_a_step() -> int:
    """Take and free a large block, and return the pages that the kernel had to give."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(VALUES)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of other C libraries is left alone")
def test_memory_freed_by_one_step_serves_the_next() -> None:
    with keep_freed_memory():
        kept = min(faults_of_a_step() for _ in range(12))
    given_back = faults_of_a_step()
    assert kept < 100 < given_back


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr("ctypes.CDLL", lambda name: pytest.fail("loaded the C library"))
    with keep_freed_memory():
        pass
