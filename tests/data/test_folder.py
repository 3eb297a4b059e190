import numpy as np
import pytest
from PIL import Image

from pellucid.data.base import DatasetInfo
from pellucid.data.folder import Folder
from pellucid.errors import PellucidError


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def photographs(tmp_path):
    """A folder of six color images, 20x33, each of a single color except for its corner."""
    for number in range(6):
        pixels = np.full((20, 33, 3), (40 * number, 100, 255 - 40 * number), np.uint8)
        pixels[0, 0] = 0
        save(tmp_path / "photographs" / f"{number}.png", pixels)
    return tmp_path / "photographs"


def test_patches_lie_side_by_side_and_are_named_by_their_file(photographs):
    dataset = Folder(str(photographs), patch=10, channels=3, test_fraction=0)
    images = dataset.load("train")
    assert dataset.available() and images.images.shape == (6 * 2 * 3, 3, 10, 10)
    assert dataset.describe("train") == DatasetInfo(3, 10, 10)
    assert images.labels is None and images.classes is None
    assert images.names == tuple(f"{number}.png" for number in range(6) for _ in range(6))
    assert images.images[6, :, 5, 5].tolist() == [40, 100, 215]
    assert images.images[6, :, 0, 0].tolist() == [0, 0, 0] and images.images[7, :, 0, 0].tolist() == [40, 100, 215]


def test_files_are_split_and_not_patches(photographs):
    train, test = (Folder(str(photographs), patch=10, test_fraction=0.5).load(split) for split in ("train", "test"))
    assert train.names and test.names
    assert not set(train.names) & set(test.names) and len(set(train.names) | set(test.names)) == 6


def test_color_becomes_gray_and_gray_becomes_color(photographs, tmp_path):
    gray = Folder(str(photographs), patch=20, test_fraction=0).load("train").images
    assert gray.shape == (6, 1, 20, 20) and gray[1, 0, 5, 5] == round(0.299 * 40 + 0.587 * 100 + 0.114 * 215)
    save(tmp_path / "gray/a.png", np.full((8, 8), 77, np.uint8))
    color = Folder(str(tmp_path / "gray"), patch=8, channels=3, test_fraction=0).load("train").images
    assert color.shape == (1, 3, 8, 8) and (color == 77).all()


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    save(tmp_path / "deep/a.png", np.full((8, 8), 32_896, np.uint16))
    images = Folder(str(tmp_path / "deep"), patch=8, test_fraction=0).load("train").images
    assert (images == 128).all()


def test_sub_folders_become_labels(tmp_path):
    for name in ("cats/1.png", "cats/deeper/2.png", "dogs/1.png"):
        save(tmp_path / "pets" / name, np.zeros((8, 8), np.uint8))
    images = Folder(str(tmp_path / "pets"), patch=4, test_fraction=0).load("train")
    assert images.classes == ("cats", "dogs")
    assert images.labels is not None and images.labels.tolist() == [0] * 8 + [1] * 4
    save(tmp_path / "pets/stray.png", np.zeros((8, 8), np.uint8))
    assert Folder(str(tmp_path / "pets"), patch=4).load("train").labels is None


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n0000"])
def test_a_bad_file_is_named(photographs, content):
    (photographs / "bad.png").write_bytes(content)
    with pytest.raises(PellucidError, match=r"bad\.png"):
        Folder(str(photographs), patch=10, test_fraction=0).load("train")


def test_an_image_smaller_than_the_patch_is_named_with_the_remedy(photographs):
    with pytest.raises(PellucidError, match=r"\d\.png is 20x33, smaller than the patch of 64: set patch to 20 or less"):
        Folder(str(photographs)).load("train")


def test_no_folder_and_no_images(tmp_path):
    dataset = Folder(str(tmp_path / "nowhere"))
    assert not dataset.available()
    with pytest.raises(PellucidError, match="nowhere"):
        dataset.load("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PellucidError, match=r"no images in .*empty"):
        Folder(str(tmp_path / "empty")).load("train")


def test_a_split_without_images_is_an_error(photographs):
    with pytest.raises(PellucidError, match=r"6 image\(s\) leave none for the test split at test_fraction 0.0"):
        Folder(str(photographs), patch=10, test_fraction=0.0).load("test")


@pytest.mark.parametrize(("option", "value"), [("patch", 0), ("channels", 2), ("test_fraction", 1.0)])
def test_refuses_impossible_options(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        Folder("somewhere", **{option: value})
