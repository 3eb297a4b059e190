from collections import Counter

import pytest
import torch

from pellucid.losses.mse import MSE
from pellucid.models.dense import Dense
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.neighbor2neighbor import Neighbor2Neighbor, random_pairs, sub_image


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(8, 12), (9, 13)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_each_cell_gives_two_adjacent_pixels_one_for_each_image(size, channels):
    # Each value is its own position, so that the pixel that it came from is known.
    height, width = size
    positions = torch.arange(height)[:, None] * 100 + torch.arange(width)
    images = torch.stack([positions * 1.0 + 10_000 * channel for channel in range(channels)]).expand(2, -1, -1, -1)
    pairs = random_pairs(images, seeded())
    first, second = (sub_image(images, pixel) for pixel in pairs)
    assert first.shape == second.shape == (2, channels, height // 2, width // 2)
    for channel in range(channels):
        ours, others = ((part[:, channel] - 10_000 * channel).long() for part in (first, second))
        for part in (ours, others):
            assert torch.equal(part // 100 // 2, torch.arange(height // 2)[:, None].expand_as(part))
            assert torch.equal(part % 100 // 2, torch.arange(width // 2).expand_as(part))
        gap = (ours - others).abs()
        assert ((gap == 1) | (gap == 100)).all()


def test_all_eight_pairs_are_equally_probable():
    first, second = random_pairs(torch.zeros(1, 1, 400, 400), seeded())
    counts = Counter(zip(first.flatten().tolist(), second.flatten().tolist(), strict=True))
    assert set(counts) == {(a, b) for a in range(4) for b in range(4) if a != b and a + b != 3}
    assert max(abs(count / 40_000 - 1 / 8) for count in counts.values()) < 0.01


def test_the_loss_is_the_papers():
    torch.manual_seed(0)
    model, noisy = UNet(3, [4, 8], condition=True), torch.rand(2, 3, 16, 20)
    sigma = torch.tensor([0.1, 0.3])
    first, second = random_pairs(noisy, seeded())
    y1, y2 = sub_image(noisy, first), sub_image(noisy, second)
    whole = model(noisy, sigma).detach()
    denoised = model(y1, sigma)
    plain = (denoised - y2).square().mean()
    regular = (denoised - y2 - (sub_image(whole, first) - sub_image(whole, second))).square().mean()
    for gamma in (0.0, 2.0):
        batch = TrainingBatch(noisy, noisy, sigma, generator=seeded())
        value = Neighbor2Neighbor(gamma)(model, MSE(), batch)
        torch.testing.assert_close(value, plain + gamma * regular)
    expected = torch.autograd.grad(plain + 2 * regular, list(model.parameters()))
    found = torch.autograd.grad(value, list(model.parameters()))
    torch.testing.assert_close(found, expected)


def test_a_map_of_sigmas_follows_the_pixels():
    seen = []

    class Recorder(UNet):
        def forward(self, noisy, sigma=None):
            seen.append((noisy, sigma))
            return noisy

    noisy = torch.rand(2, 1, 8, 8)
    Neighbor2Neighbor()(Recorder(), MSE(), TrainingBatch(noisy, noisy, 2 * noisy, generator=seeded()))
    assert all(torch.equal(2 * image, sigma) for image, sigma in seen) and len(seen) == 2


def test_values_out_of_range_and_fixed_sizes_are_refused():
    with pytest.raises(ValueError, match=r"gamma = -1 must be at least 0"):
        Neighbor2Neighbor(-1)
    noisy = torch.rand(2, 1, 8, 8)
    with pytest.raises(ValueError, match="fixed size"):
        Neighbor2Neighbor()(Dense((1, 8, 8)), MSE(), TrainingBatch(noisy, noisy))


def test_noisy_images_alone_teach_most_of_what_clean_ones_teach(gains):
    gain, supervised = gains(Neighbor2Neighbor())
    assert gain > 6 and gain > supervised - 2
