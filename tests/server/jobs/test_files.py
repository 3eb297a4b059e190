import subprocess
import sys

import pytest

from pellucid.errors import PellucidError
from pellucid.server.jobs.files import Spool, find, size_of

JOB, OTHER = "a" * 32, "b" * 32
HOLD = """
import sys
from pathlib import Path
from pellucid.server.jobs.files import Spool

with Spool(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "deep" / "spool")


def kept(spool, content=b"image"):
    with spool.scratch() as folder:
        received = folder / "received"
        received.write_bytes(content)
        return spool.keep(received)


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_only_the_owner_may_look_into_it(spool):
    assert spool.folder.stat().st_mode & 0o777 == 0o700


def test_a_spool_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PellucidError, match=r"cannot use the spool .* path is a file"):
        Spool(tmp_path / "file" / "spool")


def test_scratch_is_gone_at_the_end_also_after_a_failure(spool):
    with pytest.raises(RuntimeError), spool.scratch() as folder:
        (folder / "half").write_bytes(b"of it")
        raise RuntimeError
    assert not folder.exists()


def test_what_is_kept_outlives_its_scratch(spool):
    name = kept(spool)
    assert spool.upload(name).read_bytes() == b"image" and size_of(spool.upload(name)) == 5


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 32, "a" * 31, "a" * 33, f"{'a' * 32}\n"])
def test_no_name_but_its_own_is_a_path(spool, name):
    for call in (spool.upload, lambda job: spool.item(job, 1), lambda job: spool.forget(job, [])):
        with pytest.raises(ValueError, match="no name in the spool"):
            call(name)


def test_a_result_is_there_whole_or_not_at_all(spool):
    assert spool.settled(JOB, 1) is None
    folder = spool.attempt(JOB, 1, 1)
    (folder / "result.png").write_bytes(b"clean")
    assert spool.settled(JOB, 1) is None and find(spool.item(JOB, 1), "result") is None
    spool.settle(folder, JOB, 1, {"width": 3})
    assert not folder.exists() and spool.settled(JOB, 1) == {"width": 3}
    result = find(spool.item(JOB, 1), "result")
    assert result and result.read_bytes() == b"clean"
    assert find(spool.item(JOB, 1), "before") is None and find(spool.item(JOB, 1), "facts") is None


def test_attempts_do_not_meet_and_begin_anew(spool):
    first, second = (spool.attempt(JOB, 1, number) for number in (1, 2))
    (first / "result").write_bytes(b"late")
    assert first != second and not list(second.iterdir())
    assert spool.attempt(JOB, 1, 1) == first and not list(first.iterdir())


def test_a_second_process_may_not_use_it(spool, tmp_path):
    command = [sys.executable, "-c", HOLD, str(spool.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(PellucidError, match="another pellucid serve uses the spool"), spool.held():
            pytest.fail("it was held twice")
        holder.kill()
        holder.wait()
    with spool.scratch() as left:
        (left / "half").write_bytes(b"of it")
        with spool.held():
            assert not left.exists()


def test_a_job_is_forgotten_with_the_uploads_that_are_its_own(spool):
    mine, shared = kept(spool), kept(spool)
    spool.settle(spool.attempt(JOB, 1, 1), JOB, 1, {})
    spool.forget(JOB, [mine])
    spool.forget(JOB, [mine])
    assert names(spool.folder) == [f"uploads/{shared}"]


def test_what_belongs_to_nothing_is_tidied_away(spool):
    mine, _ = kept(spool), kept(spool)
    for job, number in ((JOB, 1), (OTHER, 1)):
        spool.settle(spool.attempt(job, number, 1), job, number, {})
    killed = spool.item(JOB, 2).with_name("2.1")
    killed.mkdir()
    (killed / "result").write_bytes(b"half of it")
    spool.tidy({JOB}, {mine})
    assert names(spool.folder) == [f"results/{JOB}/1/facts.json", f"uploads/{mine}"]
    assert not killed.exists()
