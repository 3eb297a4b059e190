import hashlib

import numpy as np
import pytest

from pellucid.data.base import DatasetInfo
from pellucid.data.documents import Documents
from pellucid.errors import PellucidError
from pellucid.image import write_image

pytestmark = pytest.mark.filterwarnings("ignore:pages are set")
PAGES, SCANS = 12, 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Lay out scans whose gray value is 10 times the number of the page; they are darker by 5 than the clean pages."""
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for page in range(PAGES):
        for scan in range(SCANS):
            clean = np.full((40 + 8 * (page % 2), 50), 10 * page + 100, np.uint8)
            clean[:20] += 3
            write_image(tmp_path / f"documents/clean/{page * SCANS + scan}.png", clean)
            write_image(tmp_path / f"documents/noisy/{page * SCANS + scan}.png", clean - 5)
    return tmp_path / "documents"


@pytest.fixture(autouse=True)
def folders_made(tmp_path):
    for name in ("clean", "noisy"):
        (tmp_path / "documents" / name).mkdir(parents=True, exist_ok=True)


def pages_of(images):
    return {int(value) // 10 - 10 for value in np.unique(images)}


def test_every_third_clean_page_by_its_digest_is_for_tests_and_no_page_is_torn(folder):
    data = Documents(patch=16, num_patches=400)
    found = {split: pages_of(data.load(split).images) for split in ("train", "validation", "test")}
    digests = {
        hashlib.sha256((folder / f"clean/{page * SCANS}.png").read_bytes()).hexdigest(): page for page in range(PAGES)
    }
    assert found["test"] == {digests[digest] for digest in sorted(digests)[::3]}
    assert len(found["train"] | found["validation"] | found["test"]) == PAGES
    assert sum(map(len, found.values())) == PAGES and len(found["validation"]) == 1


def test_a_patch_and_its_noisy_image_have_one_position(folder):
    images = Documents(patch=16, num_patches=64).load("train")
    assert images.images.shape == (64, 3, 16, 16) and images.noisy is not None and images.has_noisy is None
    np.testing.assert_array_equal(images.images.astype(int) - images.noisy, 5)
    assert len({image.tobytes() for image in images.images}) > 20


def test_rendered_pages_are_for_training_and_have_no_noisy_images(folder):
    data = Documents(patch=32, num_patches=40, num_rendered=24)
    training, validation = data.load("train"), data.load("validation")
    assert training.has_noisy is not None and training.has_noisy.tolist() == [True] * 40 + [False] * 24
    assert (training.images[40:] == 255).mean() > 0.5 and len(training) == 64
    assert validation.has_noisy is not None and validation.has_noisy.all() and len(validation) == 5
    for split, count in (("train", 64), ("validation", 5), ("test", 5)):
        assert data.describe(split) == DatasetInfo(3, 32, 32, count)


def test_wrong_files_are_named(folder):
    with pytest.raises(PellucidError, match=r"clean/.*png is smaller than the patch of 45: set patch to 40"):
        Documents(patch=45).load("train")
    for page in range(PAGES * SCANS):
        write_image(folder / f"noisy/{page}.png", np.zeros((40, 41), np.uint8), overwrite=True)
    with pytest.raises(PellucidError, match=r"noisy/.*png and .* differ in size"):
        Documents(patch=16).load("train")
    for page in range(1, PAGES * SCANS):
        (folder / f"clean/{page}.png").unlink()
    with pytest.raises(PellucidError, match="has 1 clean pages, too few for the train split"):
        Documents(patch=16).load("train")


@pytest.mark.parametrize(("option", "value"), [("patch", 4), ("num_patches", 0), ("num_rendered", -1), ("color", 2.0)])
def test_refuses_impossible_options(option, value):
    with pytest.raises(ValueError, match=f"{option} is {value}"):
        Documents(**{option: value})
