import numpy as np

from pellucid.metrics.accuracy import Accuracy


def test_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]])
    assert Accuracy()(probabilities, np.array([0, 1, 0])).tolist() == [1, 0, 1]
