"""Jobs that depend on one another, in this process and in others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid.errors import PellucidError
from pellucid.reproduce.scheduler import Job, JobsProgress, run_jobs

SOURCE = Path(__file__).parents[2] / "src"


def note(folder, name, report_progress):
    (folder / name).write_text(str(time.monotonic_ns()))
    report_progress(0.5)


def refuse(report_progress):
    raise PellucidError("the disk is full")


def stumble(report_progress):
    raise ZeroDivisionError("division by zero")


def vanish(report_progress):
    os._exit(1)


def interrupted(report_progress):
    raise KeyboardInterrupt


def job(folder, name, *depends_on, call=note, cost=1.0):
    return Job(name, call, (folder, name) if call is note else (), depends_on, cost)


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_run_after_those_they_depend_on(tmp_path, workers):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b"), job(tmp_path, "c", "a", "b"), job(tmp_path, "d", "c")]
    assert run_jobs(jobs, workers, lambda progress: None) == {}
    times = {name: int((tmp_path / name).read_text()) for name in "abcd"}
    assert max(times["a"], times["b"]) < times["c"] < times["d"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_is_reported_and_blocks_only_what_depends_on_it(tmp_path, workers):
    jobs = [
        job(tmp_path, "full", call=refuse),
        job(tmp_path, "slip", call=stumble),
        job(tmp_path, "after", "full"),
        job(tmp_path, "later", "after"),
        job(tmp_path, "other"),
    ]
    failures = run_jobs(jobs, workers, lambda progress: None)
    assert failures["full"] == "the disk is full"
    assert failures["slip"].startswith("ZeroDivisionError: division by zero (test_scheduler.py, line ")
    assert set(failures) == {"full", "slip"}
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_process_that_ends_abruptly_is_reported(tmp_path):
    failures = run_jobs([job(tmp_path, "gone", call=vanish), job(tmp_path, "b", "gone")], 2, lambda progress: None)
    assert "ended abruptly" in failures["gone"]


def test_progress_counts_by_cost(tmp_path):
    calls: list[JobsProgress] = []
    run_jobs([job(tmp_path, "short"), job(tmp_path, "long", cost=3.0)], 1, calls.append)
    fractions = [(progress.done, progress.jobs_done, list(progress.running)) for progress in calls]
    assert fractions == [
        (0.0, 0, ["short"]),
        (0.125, 0, ["short"]),
        (0.25, 1, []),
        (0.25, 1, ["long"]),
        (0.625, 1, ["long"]),
        (1.0, 2, []),
    ]
    assert calls[0].seconds_left is None
    assert calls[-1].seconds_left == 0


def test_ctrl_c_says_how_many_jobs_are_done(tmp_path):
    jobs = [job(tmp_path, "a"), job(tmp_path, "b", call=interrupted), job(tmp_path, "c")]
    with pytest.raises(KeyboardInterrupt, match="1 of 3 jobs are done"):
        run_jobs(jobs, 1, lambda progress: None)


SCRIPT = """
import signal, sys, time
from pathlib import Path
from pellucid.reproduce.scheduler import Job, run_jobs

def wait_and_save(folder, name, report_progress):
    (folder / f"{name}.started").touch()
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / f"{name}.saved").touch()
        raise

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    jobs = [Job(name, wait_and_save, (folder, name)) for name in ("a", "b", "c")]
    try:
        run_jobs(jobs, 2, lambda progress: None)
    except KeyboardInterrupt as interrupt:
        print(interrupt)
"""


@pytest.mark.parametrize("whom", ["the parent", "the group", "the parent, which dies"])
def test_ctrl_c_lets_every_worker_save_and_leaves_none_behind(tmp_path, whom):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, str(script), str(tmp_path)]
    parent = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    await_files(tmp_path, "*.started")
    if whom == "the group":
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.send_signal(signal.SIGKILL if "dies" in whom else signal.SIGINT)
    output, errors = parent.communicate(timeout=60)
    await_files(tmp_path, "*.saved")
    assert not (tmp_path / "c.started").exists()
    if "dies" not in whom:
        assert "0 of 3 jobs are done" in output
        assert errors == ""


def await_files(folder, pattern):
    end = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < 2:
        assert time.monotonic() < end, sorted(folder.iterdir())
        time.sleep(0.05)
