from pathlib import Path

import pytest

from pellucid.errors import UsageError
from pellucid.server.settings import Settings, usual_spool
from pellucid.utils.system import cores


@pytest.mark.parametrize(
    ("values", "option"),
    [
        ({"port": 70_000}, "--port 70000"),
        ({"max_bytes": 10}, "--max-bytes 10"),
        ({"max_bytes": 3_000_000_000}, "no less than --max-bytes, which is 3000000000"),
        ({"memory_limit": 1000}, "--memory-limit"),
        ({"workers": 0}, "--workers 0"),
        ({"time_limit": float("nan")}, "--time-limit nan"),
        ({"models": ()}, "--model"),
        ({"models": ("photo", "runs/photo.onnx")}, "two are called photo"),
        ({"classifiers": (Path("a/digits.onnx"), Path("b/digits.safetensors"))}, "two are called digits"),
        ({"token": ""}, "--token"),
        ({"token": "a b"}, "--token"),
        ({"token": "ü"}, "--token"),
        ({"root_path": "pellucid"}, "--root-path pellucid"),
    ],
)
def test_what_cannot_be_is_refused_by_the_options_name(values, option):
    with pytest.raises(UsageError) as caught:
        Settings(**values)
    assert option in str(caught.value) and "\n" not in str(caught.value)


def test_files_go_by_their_names_without_folder_and_suffix():
    settings = Settings(models=("photo", "runs/scans/best.onnx"), classifiers=(Path("c/digits.onnx"),))
    assert settings.denoisers == {"photo": "photo", "best": "runs/scans/best.onnx"}
    assert settings.readers == {"digits": Path("c/digits.onnx")}


def test_workers_share_the_cores():
    assert Settings(workers=10_0).threads_each == max(1, cores() // 100)
    assert Settings().threads_each == cores()
    assert Settings(threads=3).threads_each == 3


def test_the_spool_is_where_the_state_of_programs_belongs(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert usual_spool() == Path("/state/pellucid/spool")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings().spool == Path("/home/ada/.local/state/pellucid/spool")
