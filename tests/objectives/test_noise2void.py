import pytest
import torch

from pellucid.losses.mse import MSE
from pellucid.models.unet import UNet
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.noise2void import Noise2Void, at_positions, random_positions

STRUCTS = [(0, 0), (4, 0), (0, 3), (1, 1)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def objective(replacement="uniform", struct=(0, 0)):
    return Noise2Void(12, replacement, struct)


def covered(shape, rows, columns, struct):
    """Return the hidden pixels, marked one by one."""
    hidden = torch.zeros(shape[0], *shape[-2:], dtype=torch.bool)
    for sample in range(shape[0]):
        for row, column in zip(rows[sample].flatten().tolist(), columns[sample].flatten().tolist(), strict=True):
            top, left = max(0, row - struct[1]), max(0, column - struct[0])
            hidden[sample, top : row + struct[1] + 1, left : column + struct[0] + 1] = True
    return hidden


@pytest.mark.parametrize("size", [(48, 36), (8, 8), (41, 29)])
def test_one_pixel_of_each_cell_is_hidden_and_every_pixel_may_be(size):
    rows, columns = random_positions(torch.zeros(600, 1, *size), 8, seeded())
    h, w = round(size[0] / 8), round(size[1] / 8)
    assert rows.shape == columns.shape == (600, h, w)
    for positions, side, parts, axis in ((rows, size[0], h, 1), (columns, size[1], w, 2)):
        cell = (positions * parts) // side
        index = torch.arange(parts).view(-1, 1) if axis == 1 else torch.arange(parts)
        assert (cell - index).abs().max() <= (0 if side % parts == 0 else 1)
        assert set(positions.unique().tolist()) == set(range(side))


@pytest.mark.parametrize("replacement", ["median", "uniform"])
@pytest.mark.parametrize("struct", STRUCTS)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_hidden_pixels_are_replaced_from_around_and_all_others_kept(replacement, struct, channels):
    images = torch.rand(2, channels, 40, 30, generator=seeded(1))
    rows, columns = random_positions(images, 12, seeded())
    shown = objective(replacement, struct).hide(images, rows, columns, seeded(2))
    hidden = covered(images.shape, rows, columns, struct)
    changed = shown != images
    assert not changed.any(1)[~hidden].any() and changed.all(1)[hidden].float().mean() > 0.9
    open_ = images.masked_fill(hidden[:, None], torch.nan)
    for sample, row, column in hidden.nonzero().tolist():
        reach = 5 + struct[1], 5 + struct[0]
        top, left = max(0, row - reach[0]), max(0, column - reach[1])
        around = open_[sample, :, top : row + reach[0] + 1, left : column + reach[1] + 1].flatten(1)
        value = shown[sample, :, row, column]
        if replacement == "uniform":
            assert (around == value[:, None]).all(0).any()
        else:
            assert ((around < value[:, None]).float().nanmean(1) < 0.65).all() and (around == value[:, None]).any(
                1
            ).all()


@pytest.mark.parametrize("replacement", ["median", "uniform"])
@pytest.mark.parametrize("struct", STRUCTS)
def test_the_output_at_a_hidden_pixel_does_not_depend_on_any_hidden_value(replacement, struct):
    torch.manual_seed(0)
    model = UNet(1, [4, 8], residual=False)
    images = torch.rand(2, 1, 40, 30, requires_grad=True)
    rows, columns = random_positions(images, 12, seeded())
    hide = objective(replacement, struct).hide
    at_positions(model(hide(images, rows, columns, seeded(1))), rows, columns).sum().backward()
    hidden = covered(images.shape, rows, columns, struct)[:, None]
    assert images.grad is not None and not images.grad[hidden].any() and images.grad[~hidden].any()
    with torch.no_grad():
        others = torch.where(hidden, 100 * torch.rand_like(images), images)
        assert torch.equal(*(hide(part, rows, columns, seeded(1)) for part in (images, others)))


def test_the_loss_is_taken_at_the_hidden_pixels_alone():
    shown = []

    class Recorder(UNet):
        def forward(self, noisy, sigma=None):
            shown.append((noisy, sigma))
            return noisy

    noisy, sigma = torch.rand(3, 2, 24, 24), torch.tensor([0.1, 0.2, 0.3])
    value = Noise2Void()(Recorder(), MSE(), TrainingBatch(noisy, noisy, sigma, generator=seeded()))
    rows, columns = random_positions(noisy, 8, seeded())
    replaced, network_sigma = shown[0]
    expected = (at_positions(replaced, rows, columns) - at_positions(noisy, rows, columns)).square().mean()
    torch.testing.assert_close(value, expected)
    assert network_sigma is sigma and expected > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replacement": "mean"}, "replacement = 'mean' is unknown: choose one of median, uniform"),
        ({"cell": 1}, "cell = 1: give 1 or more, and 2 or more"),
        ({"radius": 0}, "radius = 0"),
        ({"struct": [4]}, r"struct = \[4\]: give two numbers of pixels"),
        ({"struct": "40"}, "struct = '40'"),
        ({"struct": [-1, 0]}, "struct"),
        ({"struct": [4, 4]}, r"struct = \[4, 4\] hides 81 of 64 pixels: give cell = 18 or more"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Noise2Void(**options)


def test_medians_are_refused_for_a_network_that_adds_to_its_input():
    noisy = torch.rand(1, 1, 16, 16)
    with pytest.raises(ValueError, match=r"set model.residual = false"):
        Noise2Void(replacement="median")(UNet(), MSE(), TrainingBatch(noisy, noisy))


@pytest.mark.parametrize("replacement", ["median", "uniform"])
def test_noisy_images_alone_teach_most_of_what_clean_ones_teach(gains, replacement):
    gain, supervised = gains(Noise2Void(4, replacement), residual=False)
    assert gain > 5 and gain > supervised - 1


def test_noise_along_rows_takes_a_mask_along_rows(gains):
    plain, supervised = gains(Noise2Void(6), streak=3, residual=False)
    wide, _ = gains(Noise2Void(6, struct=(2, 0)), streak=3, residual=False)
    assert wide > plain + 0.5 and wide > supervised - 2
