from typing import Any, ClassVar

import pytest
import torch

from pellucid.errors import UsageError
from pellucid.losses.mse import MSE
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.recorrupted import Recorrupted


class RecordingModel:
    """A network that records its input and multiplies it by one weight."""

    def __init__(self, weight=1.0):
        self.weight: Any = weight
        self.noisy: Any = None
        self.sigma: Any = None

    def __call__(self, noisy, sigma=None):
        self.noisy, self.sigma = noisy, sigma
        return self.weight * noisy


class RecordingLoss:
    """A loss that records its target."""

    on_logits: ClassVar[bool] = False

    def __call__(self, prediction, clean):
        self.target = clean
        return (prediction - clean).square().mean()


def seeded_generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of(clean, sigma, seed=1):
    noisy = clean + sigma * torch.randn(clean.shape, generator=seeded_generator(seed))
    return TrainingBatch(noisy, noisy, torch.full((len(clean),), sigma), generator=seeded_generator(seed + 1))


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.0])
def test_the_two_images_have_independent_noise_of_the_papers_variances(alpha):
    clean, sigma = torch.rand(4, 3, 200, 200, generator=seeded_generator()), 0.1
    network, loss = RecordingModel(), RecordingLoss()
    Recorrupted(alpha)(network, loss, batch_of(clean, sigma))
    first, second = (network.noisy - clean).flatten(), (loss.target - clean).flatten()
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.01
    assert first.std() == pytest.approx(sigma * (1 + alpha**2) ** 0.5, rel=0.01)
    assert second.std() == pytest.approx(sigma * (1 + alpha**-2) ** 0.5, rel=0.01)
    torch.testing.assert_close(network.sigma, torch.full((4,), sigma * (1 + alpha**2) ** 0.5))


@pytest.mark.parametrize("weight", [0.2, 0.7, 1.0])
def test_the_loss_is_the_supervised_one_and_a_constant(weight):
    clean, sigma, alpha = torch.rand(8, 1, 300, 300, generator=seeded_generator()), 0.2, 0.6
    network = RecordingModel(weight)
    value = Recorrupted(alpha)(network, MSE(), batch_of(clean, sigma))
    supervised = (weight * network.noisy - clean).square().mean()
    assert value - supervised == pytest.approx(sigma**2 * (1 + alpha**-2), rel=0.02)


def test_noise_that_follows_the_signal():
    clean = torch.cat([torch.full((1, 1, 200, 200), 0.04), torch.full((1, 1, 200, 200), 0.64)])
    network = RecordingModel()
    Recorrupted(1.0, shot=0.01, read=0.02)(network, MSE(), TrainingBatch(clean, clean, generator=seeded_generator()))
    expected = [(0.01 * light + 0.02**2) ** 0.5 for light in (0.04, 0.64)]
    assert (network.noisy - clean).std((1, 2, 3)).tolist() == pytest.approx(expected, rel=0.02)
    assert network.sigma is None


def test_alpha_is_sampled_from_a_range_for_each_sample_and_repeatable():
    clean, networks = torch.rand(6, 1, 64, 64, generator=seeded_generator()), (RecordingModel(), RecordingModel())
    for network in networks:
        Recorrupted((0.3, 1.5))(network, MSE(), batch_of(clean, 0.1))
    torch.testing.assert_close(networks[0].noisy, networks[1].noisy)
    alphas = ((networks[0].sigma / 0.1) ** 2 - 1) ** 0.5
    assert len(set(alphas.tolist())) == 6 and alphas.min() >= 0.3 and alphas.max() <= 1.5


def test_it_needs_a_loss_and_a_noise_level():
    images = torch.rand(2, 1, 16, 16)
    with pytest.raises(UsageError, match="recorrupted objective needs a loss"):
        Recorrupted()(RecordingModel(), None, TrainingBatch(images, images))
    with pytest.raises(ValueError, match="level"):
        Recorrupted()(RecordingModel(), MSE(), TrainingBatch(images, images))


@pytest.mark.parametrize("options", [{"alpha": 0}, {"alpha": (1, 0.5)}, {"shot": -1}, {"read": 2}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Recorrupted(**options)
