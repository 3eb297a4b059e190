import numpy as np
import torch

from pellucid.losses.mse import MSE


def test_it_equals_numpys():
    prediction, clean = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    expected = ((prediction.numpy().astype(np.float64) - clean.numpy()) ** 2).mean()
    np.testing.assert_allclose(MSE()(prediction, clean), expected, rtol=1e-6)
