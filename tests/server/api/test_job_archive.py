"""The ZIP of a job's results."""

import io
import os
import zipfile

import pytest

from pellucid.server.api.jobs import job_archive, unused_name
from pellucid.server.jobs.database import Item, Job, JobOptions
from pellucid.server.jobs.files import JobFiles

ID = "a" * 32


@pytest.fixture
def archive(tmp_path):
    """Return a function that makes the archive of results with these names and contents, and the files."""
    files = JobFiles(tmp_path / "spool")

    def archive(*results, failed=()):
        items = []
        for number, (name, content) in enumerate(results, 1):
            folder = files.attempt(ID, number, 1)
            (folder / "result").write_bytes(content)
            files.commit(folder, ID, number, {})
            items.append(Item(ID, number, name, "b" * 32, state="done", metadata={"suffix": ".png"}))
        items += [Item(ID, len(items) + 1, name, "b" * 32, state="failed", error=error) for name, error in failed]
        return job_archive(Job(ID, 0.5, JobOptions("photo"), tuple(items)), files), files

    return archive


def test_files_are_stored_as_they_are_and_the_length_is_known(archive):
    large = bytes(range(256)) * 2600
    stream, _ = archive(("a.png", large), ("b", b""), ("ü.png", b"three"), failed=[("c.png", "it is damaged")])
    length, parts = len(stream), list(stream)
    assert max(map(len, parts)) < 2**19 and sum(map(len, parts)) == length
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {
            "a-denoised.png": large,
            "b-denoised.png": b"",
            "ü-denoised.png": b"three",
            "failed.txt": b"c.png: it is damaged\n",
        }
        assert {entry.compress_type for entry in opened.infolist()} == {zipfile.ZIP_STORED}


def test_no_file_takes_the_name_of_another():
    names, used = ["a.png", "A.png", "a-2.png", "a.png", "b", "b"], set()
    expected = ["a.png", "A-2.png", "a-2-2.png", "a-3.png", "b", "b-2"]
    assert [unused_name(name, used) for name in names] == expected


def test_an_archive_may_be_empty(archive):
    stream, _ = archive()
    length, content = len(stream), b"".join(stream)
    assert len(content) == length
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.namelist() == []


def test_a_file_older_than_1980_gets_the_first_day_of_zip(archive, tmp_path):
    stream, files = archive(("old", b"x"))
    os.utime(files.item(ID, 1) / "result", (0, 0))
    with zipfile.ZipFile(io.BytesIO(b"".join(stream))) as opened:
        assert opened.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
