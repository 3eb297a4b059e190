import sys

import numpy as np
import pytest

from pellucid.data.digits import Digits
from pellucid.errors import PellucidError


def test_holds_all_1797_digits_in_two_splits_at_full_contrast():
    train, test = Digits().load("train"), Digits().load("test")
    assert (len(train), len(test)) == (1438, 359)
    assert train.images.shape[1:] == (1, 8, 8) and train.images.max() == 255
    assert set(np.unique(train.images)) <= {round(value * 255 / 16) for value in range(17)}
    assert train.labels is not None and np.bincount(train.labels).min() > 100


def test_without_scikit_learn_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(PellucidError, match=r'dataset digits needs sklearn: pip install "pellucid\[train\]"'):
        Digits().load("train")
