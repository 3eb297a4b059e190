"""Writing: whole files or none, the remedy in one line."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.image import write_image
from pellucid.utils.atomic_write import atomic_write, remove_leftovers


def test_the_file_appears_whole_with_the_usual_permissions(tmp_path):
    path = tmp_path / "a.json"
    with atomic_write(path) as temporary:
        temporary.write_text("{}")
        assert not path.exists() and temporary.parent == tmp_path and temporary.suffix == ".json"
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "usual").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), PellucidError("no")])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("Io: No space left on device (os error 28)")],
)
def test_a_full_disk_is_one_line_with_the_remedy(refusal, tmp_path, error):
    def write():
        with atomic_write(tmp_path / "a.bin"):
            raise error

    message = refusal(write)
    assert str(tmp_path / "a.bin") in message and "disk is full" in message
    assert not any(tmp_path.iterdir())


def test_a_disk_that_is_full_only_at_the_sync_leaves_the_old_file(refusal, tmp_path, monkeypatch):
    write_image(tmp_path / "a.png", np.full((8, 8), 80, np.uint8))
    before = (tmp_path / "a.png").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "disk is full" in refusal(write_image, tmp_path / "a.png", np.full((9, 9), 90, np.uint8), overwrite=True)
    assert (tmp_path / "a.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_write_stopped_by_the_system_leaves_nothing(tmp_path):
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    code = (
        "import numpy as np, sys; from pellucid.image import write_image\n"
        "from pellucid.errors import PellucidError\n"
        "try: write_image(sys.argv[1], np.random.default_rng(0).integers(0, 255, (90, 90), dtype=np.uint8))\n"
        "except PellucidError as error: print(error)"
    )
    for name in ("a.png", "a.tif"):
        command = [sys.executable, "-B", "-c", code, str(tmp_path / name)]
        done = subprocess.run(command, preexec_fn=limited, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"cannot write {tmp_path / name}: File too large"), done
    assert not any(tmp_path.iterdir())


def test_what_a_killed_write_leaves_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, signal, sys; from pellucid.utils.atomic_write import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    kept = ("a.json", ".pellucid", ".pellucid-notes.txt", ".0123456789abcdef.json")
    for name in kept:
        (tmp_path / name).write_text("old")
    done = subprocess.run([sys.executable, "-B", "-c", code, str(tmp_path / "a.json")])
    assert done.returncode == -signal.SIGKILL and len(list(tmp_path.iterdir())) == len(kept) + 1
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept) and (tmp_path / "a.json").read_text() == "old"


def test_a_path_that_cannot_be_written_is_refused_before_any_work(refusal, tmp_path):
    (tmp_path / "file").touch()
    for path, word in [
        (tmp_path / "missing" / "a.bin", "create it"),
        (tmp_path / "file" / "a.bin", "choose another folder"),
        (tmp_path, "it is a folder"),
    ]:

        def write(path=path):
            with atomic_write(path):
                pytest.fail("the block was entered")

        assert word in refusal(write)


def test_an_error_about_another_file_is_not_taken_for_ones_own(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.bin"):
        (tmp_path / "elsewhere.bin").read_bytes()


def test_devices_are_never_replaced(refusal):
    assert "device" in refusal(write_image, "/dev/null", np.zeros((4, 4), np.uint8), overwrite=True, format="PNG")
    assert Path("/dev/null").is_char_device()
