import numpy as np
import torch

from pellucid.losses.l1 import L1


def test_it_equals_numpys():
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = np.abs(prediction.numpy().astype(np.float64) - clean.numpy()).mean()
    np.testing.assert_allclose(L1()(prediction, clean), expected, rtol=1e-6)
