"""What every dataset keeps to, whichever files there are."""

import dataclasses
import inspect

import numpy as np
import pytest

from pellucid import registry
from pellucid.data import ImageSet
from pellucid.errors import PellucidError, UsageError

NAMES = registry.names("data")
every_dataset = pytest.mark.parametrize("name", NAMES)


def build(name, folder):
    """Construct a small dataset; options without a default name a file or a folder that is not there."""
    parameters = inspect.signature(registry.load("data", name)).parameters.values()
    wanted = {item.name: str(folder / item.name) for item in parameters if item.default is item.empty}
    wanted |= {item.name: 20 for item in parameters if item.name.startswith("num_")}
    return registry.build("data", name, wanted)


@every_dataset
def test_is_a_frozen_dataclass_with_a_summary(name, tmp_path):
    kind = registry.load("data", name)
    assert dataclasses.is_dataclass(kind) and registry.summary("data", name)
    with pytest.raises(dataclasses.FrozenInstanceError):
        build(name, tmp_path).split = "train"


@every_dataset
def test_constructing_reads_nothing_and_missing_data_is_an_error(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset = build(name, tmp_path)
    assert not list(tmp_path.iterdir())
    if not dataset.available():
        with pytest.raises(PellucidError) as caught:
            dataset.load("train")
        assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@every_dataset
def test_an_unknown_split_is_a_usage_error(name, tmp_path):
    with pytest.raises(UsageError, match='unknown split "dev": choose train'):
        build(name, tmp_path).load("dev")


@every_dataset
def test_an_available_dataset_loads_as_declared(name, tmp_path):
    dataset = build(name, tmp_path)
    if not dataset.available():
        pytest.skip(f"the files of {name} are not available: set PELLUCID_DATA to a folder that has them")
    splits = [dataset.load(split) for split in ("train", "test")]
    for split, images in zip(("train", "test"), splits, strict=True):
        info = dataset.describe(split)
        assert (info.channels, info.height, info.width) == images.images.shape[1:]
        assert info.num_images in (None, len(images)) and info.classes == (images.classes or ())
        assert isinstance(images, ImageSet) and len(images)
        assert images.images.dtype in ("uint8", "uint16", "float32") and images.images.std() > 0
        if images.labels is not None and images.classes is not None:
            assert images.labels.min() >= 0 and images.labels.max() < len(images.classes)
    assert splits[0].images.shape[1:] == splits[1].images.shape[1:] and splits[0].classes == splits[1].classes
    again = dataset.load("test")
    np.testing.assert_array_equal(again.images, splits[1].images)
