import io
import zipfile

from pellucid.server.zip_stream import zipped


def test_files_come_back_as_they_were(tmp_path):
    large = bytes(range(256)) * 2600
    (tmp_path / "one").write_bytes(large)
    parts = list(zipped([("images/a.png", tmp_path / "one"), ("b", b""), ("notes.txt", b"text")]))
    assert max(map(len, parts)) < 2**19
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "images/a.png": large,
            "b": b"",
            "notes.txt": b"text",
        }
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_no_file_takes_the_name_of_another():
    names = ["a.png", "A.png", "a-2.png", "a.png", "b", "b"]
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped((name, b"") for name in names)))) as archive:
        assert archive.namelist() == ["a.png", "A-2.png", "a-2-2.png", "a-3.png", "b", "b-2"]


def test_nothing_makes_an_empty_archive():
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped([])))) as archive:
        assert archive.namelist() == []


def test_what_is_older_than_zip_is_given_its_first_day(tmp_path):
    import os

    (tmp_path / "old").write_bytes(b"x")
    os.utime(tmp_path / "old", (0, 0))
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped([("old", tmp_path / "old")])))) as archive:
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
