import numpy as np
import pytest
from sklearn.metrics import log_loss

from pellucid.metrics.cross_entropy import CrossEntropy


def test_its_mean_is_scikit_learns_log_loss():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(10), 200)
    labels = rng.integers(0, 10, 200)
    expected = log_loss(labels, probabilities, labels=range(10))
    assert CrossEntropy()(probabilities, labels).mean() == pytest.approx(expected)


def test_a_probability_of_zero_stays_finite():
    assert CrossEntropy()(np.array([[0.0, 1.0]], np.float32), np.array([0]))[0] == pytest.approx(-np.log(1e-7))
