import functools
import hashlib
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pellucid import registry
from pellucid.data import fetch as fetching
from pellucid.data.mnist import MNIST
from pellucid.errors import PellucidError, UsageError


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def serve():
    """A function that serves a folder on the loopback interface and returns its address."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(QuietHandler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def source(write_idx, tmp_path, monkeypatch):
    """A folder with the four files that a mirror of MNIST would have, their checksums taken as the right ones."""
    folder = write_idx(tmp_path / "source")
    checksums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in fetching.SHA256["mnist"]}
    monkeypatch.setitem(fetching.SHA256, "mnist", checksums)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


def use_mirrors(monkeypatch, *addresses):
    monkeypatch.setitem(fetching.MIRRORS, "mnist", addresses)


def test_fetches_into_the_data_folder_and_reports_progress(source, serve, monkeypatch, data_root):
    use_mirrors(monkeypatch, serve(source))
    lines = []
    assert fetching.fetch("mnist", progress=lines.append) == data_root / "mnist"
    assert [line.split()[1] for line in lines] == list(fetching.SHA256["mnist"])
    assert len(MNIST().load("train")) == 5
    assert sorted(path.name for path in (data_root / "mnist").iterdir()) == sorted(fetching.SHA256["mnist"])


def test_the_cache_is_used_without_a_data_folder_and_an_explicit_root_before_both(source, serve, monkeypatch, tmp_path):
    use_mirrors(monkeypatch, serve(source))
    monkeypatch.delenv("PELLUCID_DATA")
    assert fetching.fetch("mnist") == tmp_path / "cache/pellucid/mnist"
    assert fetching.fetch("mnist", root=tmp_path / "mine") == tmp_path / "mine/mnist"


def test_a_failing_mirror_and_a_wrong_file_lead_to_the_next(source, serve, monkeypatch, tmp_path):
    empty, wrong = tmp_path / "empty", tmp_path / "wrong"
    empty.mkdir()
    wrong.mkdir()
    for file in fetching.SHA256["mnist"]:
        (wrong / file).write_bytes(b"something else")
    use_mirrors(monkeypatch, "http://127.0.0.1:9/", serve(empty), serve(wrong), serve(source))
    fetching.fetch("mnist")
    assert len(MNIST().load("test")) == 3


def test_files_that_are_there_are_kept_and_wrong_ones_replaced(source, serve, monkeypatch, data_root):
    use_mirrors(monkeypatch, serve(source))
    folder = fetching.fetch("mnist")
    damaged = folder / "t10k-labels-idx1-ubyte.gz"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-4])
    fetching.fetch("mnist")
    assert damaged.read_bytes() == whole
    use_mirrors(monkeypatch, "http://127.0.0.1:9/")
    assert fetching.fetch("mnist") == folder


def test_when_all_mirrors_fail_each_answer_is_named_and_nothing_is_left(
    source, serve, monkeypatch, tmp_path, data_root
):
    empty, wrong = tmp_path / "empty", tmp_path / "wrong"
    empty.mkdir()
    wrong.mkdir()
    (wrong / "train-images-idx3-ubyte.gz").write_bytes(b"something else")
    use_mirrors(monkeypatch, serve(empty), serve(wrong))
    with pytest.raises(PellucidError) as caught:
        fetching.fetch("mnist")
    message = str(caught.value)
    assert message.startswith("train-images-idx3-ubyte.gz could not be fetched") and "\n" not in message
    assert "404" in message and "its SHA-256 is wrong" in message and str(data_root / "mnist") in message
    assert not list(data_root.rglob("*.gz")) and not list(data_root.rglob("tmp*"))


def test_a_root_that_cannot_be_written_to_is_named(source, serve, monkeypatch, tmp_path):
    use_mirrors(monkeypatch, serve(source))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PellucidError, match=r"file/mnist cannot be written to \(.*\): set PELLUCID_DATA elsewhere"):
        fetching.fetch("mnist", root=tmp_path / "file")


def test_unknown_dataset():
    with pytest.raises(UsageError, match=r'nothing to fetch for "mnits" \(did you mean "mnist"\?\)'):
        fetching.fetch("mnits")


def test_without_pooch_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(PellucidError, match=r'fetching mnist needs pooch: pip install "pellucid\[train\]"'):
        fetching.fetch("mnist")


def test_every_dataset_has_two_mirrors_and_its_four_checksums():
    assert fetching.MIRRORS.keys() == fetching.SHA256.keys() <= set(registry.names("data"))
    for name, mirrors in fetching.MIRRORS.items():
        assert len(mirrors) == 2 and all(address.endswith("/") for address in mirrors)
        assert len(fetching.SHA256[name]) == 4
        assert all(len(bytes.fromhex(checksum)) == 32 for checksum in fetching.SHA256[name].values())
