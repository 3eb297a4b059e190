"""Cores, memory and processor of the machine."""

import os
import platform
from pathlib import Path

from pellucid.utils import system
from pellucid.utils.system import cpu_name, num_cores, total_memory


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 7}, raising=False)
    assert num_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_cores() == 1


def test_memory_is_that_of_the_machine_or_of_its_control_group(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__)
    monkeypatch.setattr(system, "CONTROL_GROUP", tmp_path)
    assert total_memory() == 4_096_000
    (tmp_path / "memory.max").write_text("max\n")
    assert total_memory() == 4_096_000
    (tmp_path / "memory.max").write_text("1000000\n")
    assert total_memory() == 1_000_000
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("500000\n")
    assert total_memory() == 500_000


def test_the_processor_has_a_name_wherever_the_system_keeps_it(monkeypatch):
    text = "processor\t: 0\nmodel name\t: Some Chip 9000 @ 2 GHz\n\nmodel name\t: Some Chip 9000 @ 2 GHz\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert cpu_name() == "Some Chip 9000 @ 2 GHz"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "")
    assert cpu_name() == platform.machine()

    def absent(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", absent)
    assert cpu_name()
