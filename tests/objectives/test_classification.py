import numpy as np
import pytest
import torch

from pellucid.models.classifier import Classifier
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.classification import Classification


def test_it_is_the_cross_entropy_of_the_noisy_images_labels():
    model = Classifier((1, 8, 8), widths=[5], classes=3)
    noisy, label = torch.rand(4, 1, 8, 8), torch.tensor([0, 2, 1, 2])
    value = Classification()(model, None, TrainingBatch(torch.zeros_like(noisy), noisy, label=label))
    logits = model(noisy).detach().numpy().astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert value.item() == pytest.approx(-np.log(probabilities[np.arange(4), label.numpy()]).mean(), rel=1e-5)


def test_without_labels_it_names_them():
    clean = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match="needs labels"):
        Classification()(Classifier((1, 8, 8)), None, TrainingBatch(clean, clean))
