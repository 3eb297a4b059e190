import torch

from pellucid.losses.mse import MSE
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.noise2noise import Noise2Noise
from pellucid.objectives.supervised import Supervised


def gradient(objective, model, noisy, targets):
    model.zero_grad()
    objective(model, MSE(), TrainingBatch(targets, noisy)).backward()
    return torch.cat([value.grad.flatten() for value in model.parameters()])


def test_the_expected_gradient_under_noise_of_mean_zero_is_the_supervised_one():
    torch.manual_seed(0)
    model, clean = UNet(widths=[4, 8]).double(), torch.rand(2, 1, 12, 12, dtype=torch.float64)
    noisy, noise = clean + 0.2 * torch.randn_like(clean), 0.3 * torch.randn_like(clean)
    supervised = gradient(Supervised(), model, noisy, clean)
    # Noise and its negative have the mean zero exactly.
    captures = [gradient(Noise2Noise(swap=False), model, noisy, clean + sign * noise) for sign in (1, -1)]
    torch.testing.assert_close((captures[0] + captures[1]) / 2, supervised)
    assert not torch.allclose(captures[0], supervised, rtol=0.1)


def test_each_sample_is_swapped_half_of_the_time_and_always_as_a_whole():
    inputs, sigmas = [], []

    class Recorder(torch.nn.Module):
        def forward(self, noisy, sigma):
            inputs.append(noisy)
            sigmas.append(sigma)
            return noisy

    first, second = torch.zeros(400, 3, 2, 2), torch.ones(400, 3, 2, 2)
    batch = TrainingBatch(second, first, torch.full((400,), 0.1), generator=torch.Generator().manual_seed(0))
    assert Noise2Noise()(Recorder(), MSE(), batch) == 1
    swapped = inputs[0].flatten(1)
    assert torch.equal(swapped.min(1).values, swapped.max(1).values)
    assert 0.4 < swapped[:, 0].mean() < 0.6 and sigmas[0] is batch.sigma
    Noise2Noise(swap=False)(Recorder(), MSE(), batch)
    assert inputs[1] is first


def test_two_noisy_captures_train_as_well_as_clean_images(gains):
    gain, supervised = gains(Noise2Noise(), captures=2)
    assert gain > supervised - 0.5 > 7
