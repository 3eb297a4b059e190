import subprocess
import sys

import pytest

from pellucid.errors import PellucidError
from pellucid.server.jobs.files import JobFiles, find, size_of

JOB, OTHER = "a" * 32, "b" * 32
LOCK_AND_WAIT = """
import sys
from pathlib import Path
from pellucid.server.jobs.files import JobFiles

with JobFiles(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def spool(tmp_path):
    return JobFiles(tmp_path / "deep" / "spool")


def stored(spool, content=b"image"):
    with spool.temporary_folder() as folder:
        received = folder / "received"
        received.write_bytes(content)
        return spool.store_upload(received)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_the_owner_may_read_the_spool(spool):
    assert spool.folder.stat().st_mode & 0o777 == 0o700


def test_a_spool_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PellucidError, match=r"cannot use the spool .* path is a file"):
        JobFiles(tmp_path / "file" / "spool")


def test_a_temporary_folder_is_removed_also_after_a_failure(spool):
    with pytest.raises(RuntimeError), spool.temporary_folder() as folder:
        (folder / "half").write_bytes(b"of it")
        raise RuntimeError
    assert not folder.exists()


def test_a_stored_upload_stays_when_its_temporary_folder_is_removed(spool):
    name = stored(spool)
    assert spool.upload(name).read_bytes() == b"image" and size_of(spool.upload(name)) == 5


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, f"{'a' * 32}\n"])
def test_only_names_of_the_spool_become_paths(spool, name):
    for call in (spool.upload, lambda job: spool.item(job, 1), lambda job: spool.remove_job(job, [])):
        with pytest.raises(ValueError, match="no name in the spool"):
            call(name)


def test_a_result_is_complete_or_absent(spool):
    assert spool.committed(JOB, 1) is None
    folder = spool.attempt(JOB, 1, 1)
    (folder / "result.png").write_bytes(b"clean")
    assert spool.committed(JOB, 1) is None and find(spool.item(JOB, 1), "result") is None
    spool.commit(folder, JOB, 1, {"width": 3})
    assert not folder.exists() and spool.committed(JOB, 1) == {"width": 3}
    result = find(spool.item(JOB, 1), "result")
    assert result and result.read_bytes() == b"clean"
    assert find(spool.item(JOB, 1), "before") is None and find(spool.item(JOB, 1), "metadata") is None


def test_attempts_have_separate_empty_folders(spool):
    first, second = (spool.attempt(JOB, 1, number) for number in (1, 2))
    (first / "result").write_bytes(b"late")
    assert first != second and not list(second.iterdir())
    assert spool.attempt(JOB, 1, 1) == first and not list(first.iterdir())


def test_a_second_process_may_not_use_it(spool, tmp_path):
    command = [sys.executable, "-c", LOCK_AND_WAIT, str(spool.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "locked\n"
        with pytest.raises(PellucidError, match="another pellucid serve uses the spool"), spool.locked():
            pytest.fail("it was locked twice")
        holder.kill()
        holder.wait()
    with spool.temporary_folder() as left:
        (left / "half").write_bytes(b"of it")
        with spool.locked():
            assert not left.exists()


def test_a_job_is_removed_with_its_own_uploads(spool):
    own, shared = stored(spool), stored(spool)
    spool.commit(spool.attempt(JOB, 1, 1), JOB, 1, {})
    spool.remove_job(JOB, [own])
    spool.remove_job(JOB, [own])
    assert names(spool.folder) == [f"uploads/{shared}"]


def test_orphans_are_removed(spool):
    own, _ = stored(spool), stored(spool)
    for job, number in ((JOB, 1), (OTHER, 1)):
        spool.commit(spool.attempt(job, number, 1), job, number, {})
    killed = spool.item(JOB, 2).with_name("2.1")
    killed.mkdir()
    (killed / "result").write_bytes(b"half of it")
    spool.remove_orphans({JOB}, {own})
    assert names(spool.folder) == [f"results/{JOB}/1/metadata.json", f"uploads/{own}"]
    assert not killed.exists()
