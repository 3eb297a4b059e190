import gzip

import numpy as np
import pytest

from pellucid import registry
from pellucid.data.fashion_mnist import FashionMNIST
from pellucid.data.idx import IdxImages
from pellucid.data.mnist import MNIST
from pellucid.errors import PellucidError, UsageError

KINDS = [kind for name in registry.names("data") if issubclass(kind := registry.load("data", name), IdxImages)]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_reads_both_splits(kind, ending, write_idx, data_root):
    assert not kind().available()
    write_idx(data_root / kind.folder, ending)
    assert kind().available()
    for split, count in (("train", 5), ("test", 3)):
        images = kind().load(split)
        expected = np.random.default_rng(count).integers(0, 256, (count, 1, 4, 6), np.uint8)
        np.testing.assert_array_equal(images.images, expected)
        assert images.labels is not None and images.labels.tolist() == list(range(count))
        assert images.classes is not None and len(images.classes) == 10


def test_the_cache_and_the_system_folder_are_searched(write_idx, tmp_path, monkeypatch):
    system = write_idx(tmp_path / "system", counts=(7, 2))
    monkeypatch.setattr(FashionMNIST, "system_folders", (system,))
    assert len(FashionMNIST().load("train")) == 7
    write_idx(tmp_path / "cache/pellucid/fashion-mnist", counts=(9, 2))
    assert len(FashionMNIST().load("train")) == 9


@every_kind
def test_missing_files_are_reported_with_all_folders_and_the_remedy(kind, data_root, tmp_path):
    with pytest.raises(PellucidError) as caught:
        kind().load("test")
    message = str(caught.value)
    for part in (str(data_root / kind.folder), str(tmp_path / "cache/pellucid"), f"pellucid fetch {kind.name}"):
        assert part in message
    assert "\n" not in message


def test_unknown_split():
    with pytest.raises(UsageError, match="choose train or test"):
        MNIST().load("validation")


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def recompressed(change):
    return lambda content: gzip.compress(change(gzip.decompress(content)))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (IMAGES, lambda content: content[:-20], "expected a whole gzip file, found: "),
        (IMAGES, lambda content: b"", "expected an idx file that starts with 00000803, .* found nothing"),
        (IMAGES, lambda content: b"<html>no such page</html>", "expected a whole gzip file, found: Not a gzipped file"),
        (IMAGES, lambda content: content[:40] + b"XXXX" + content[44:], "expected a whole gzip file"),
        (IMAGES, recompressed(lambda content: content[:-1]), r"expected 120 values \(5 x 4 x 6\), found 119"),
        (IMAGES, recompressed(lambda content: content + b"x"), "expected 120 values .* found 121"),
        (IMAGES, recompressed(lambda content: content[:9]), "expected an idx file that starts with 00000803"),
        (LABELS, recompressed(lambda content: b"\0\0\x0d\x01" + content[4:]), "00000801, .* found 00000d01"),
        (LABELS, recompressed(lambda content: content[:-1] + b"\x0a"), "expected labels under 10, found 10"),
        (LABELS, recompressed(lambda content: b"\0\0\x08\x01\0\0\0\x01\x05"), "expected 5 labels, found 1"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected_and_found(file, change, message, write_idx, data_root):
    path = write_idx(data_root / "mnist") / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(PellucidError, match=message) as caught:
        MNIST().load("train")
    text = str(caught.value)
    assert text.startswith(str(path)) and text.endswith("delete it and run `pellucid fetch mnist`") and "\n" not in text
    assert len(MNIST().load("test")) == 3


def test_a_file_that_cannot_be_read_is_named(write_idx, data_root, monkeypatch):
    write_idx(data_root / "mnist")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gzip.open", refuse)
    with pytest.raises(PellucidError, match=r"train-images-idx3-ubyte\.gz: cannot be read: Permission denied"):
        MNIST().load("train")


def test_a_dataset_is_described_by_the_header_of_its_file(write_idx, data_root):
    folder = write_idx(data_root / "mnist")
    for file in folder.glob("*labels*"):
        file.write_bytes(b"")
    infos = [MNIST().describe(split) for split in ("train", "test")]
    assert [info.num_images for info in infos] == [5, 3] and infos[0].classes == tuple("0123456789")
    assert (infos[0].channels, infos[0].height, infos[0].width) == (1, 4, 6)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(PellucidError, match="expected a whole gzip file"):
        MNIST().describe("train")
