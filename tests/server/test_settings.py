from pathlib import Path

import pytest

from pellucid.errors import UsageError
from pellucid.server.settings import Settings, default_spool
from pellucid.utils.system import num_cores


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
def test_an_invalid_value_is_refused_with_the_name_of_its_option(values, option):
    with pytest.raises(UsageError) as caught:
        Settings(**values)
    assert option in str(caught.value) and "\n" not in str(caught.value)


def test_files_are_named_without_folder_and_suffix():
    settings = Settings(models=("photo", "runs/scans/best.onnx"), classifiers=(Path("c/digits.onnx"),))
    assert settings.denoisers == {"photo": "photo", "best": "runs/scans/best.onnx"}
    assert settings.classifiers_by_name == {"digits": Path("c/digits.onnx")}


def test_workers_share_the_cores():
    assert Settings(workers=10_0).threads_per_worker == max(1, num_cores() // 100)
    assert Settings().threads_per_worker == num_cores()
    assert Settings(threads=3).threads_per_worker == 3


def test_the_default_spool_follows_xdg(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_spool() == Path("/state/pellucid/spool")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert Settings().spool == Path("/home/ada/.local/state/pellucid/spool")
