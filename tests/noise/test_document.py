import numpy as np
import pytest
import torch
from scipy import stats

from pellucid.noise.document import KINDS, Document

DARKENING = ("texture", "stains", "water", "foxing", "tape", "light", "shadow", "bleed", "speckle")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def page(count=1, channels=1, height=96, width=128):
    """Return black bars on white, as lines of print; the samples differ in where their bars are."""
    clean = torch.ones(count, channels, height, width, dtype=torch.float64)
    for number in range(count):
        clean[number, :, 8 + number :: 16, 10 + 3 * number : 100] = 0
    return clean


def white(count=1, channels=1, side=96):
    return torch.ones(count, channels, side, side, dtype=torch.float64)


def alone(kind, clean, seed=0, **options):
    return Document(kinds=(kind,), probability=1, **options)(clean, seeded(seed))[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_shows_and_grows_with_the_strength(kind):
    clean = page(6)
    strengths = [(alone(kind, clean, strength=strength) - clean).square().mean() for strength in (0, 0.5, 1)]
    assert strengths[0] == 0 and 1e-6 < strengths[1] < strengths[2]


@pytest.mark.parametrize("kind", DARKENING)
def test_layers_on_the_paper_transmit_light_in_proportion(kind):
    clean = page(6)
    passed = alone(kind, clean, strength=1)
    assert (passed <= clean + 1e-9).all() and (passed[clean == 0] == 0).all() and passed.min() >= 0
    twice = alone(kind, clean, strength=2)
    paper = clean == 1
    np.testing.assert_allclose(twice[paper], passed[paper] ** 2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["wrinkles", "folds"])
def test_creases_have_light_and_dark_sides_and_rub_ink_off_in_some(kind):
    clean = page(24)
    noisy = alone(kind, clean, strength=1)
    assert (noisy > 1.01).any() and (noisy < 0.9).any()
    grown = (noisy * (1 - clean)).flatten(1).amax(1)
    assert 4 < (grown > 0.005).sum() < 20
    assert noisy.min() >= 0


def test_faded_ink_gets_lighter_and_the_paper_stays():
    clean = page(6)
    noisy = alone("fade", clean)
    assert (noisy[clean == 1] == 1).all()
    ink = noisy[clean == 0]
    assert ink.min() >= 0 and 0.02 < ink.mean() < 0.5 and ink.max() <= 0.8


def test_a_blur_keeps_the_mean_and_softens_edges():
    clean = page(4)
    noisy = alone("blur", clean, strength=1)
    np.testing.assert_allclose(noisy.mean((1, 2, 3)), clean.mean((1, 2, 3)), atol=0.01)
    assert (noisy.diff(dim=2).abs().amax((1, 2, 3)) < 0.9).all()


def test_the_next_page_shines_through_mirrored():
    clean = white(2, side=128)
    clean[0, :, 30:60, 20:50] = 0
    noisy = alone("bleed", clean, strength=1, scale=1)
    # A page that is white behind has nothing that shines through it, but for the other one.
    assert (noisy[0] == clean[0]).all()
    shade = 1 - noisy[1, 0]
    column = (shade * torch.arange(128)).sum() / shade.sum()
    assert shade.max() > 0.03 and column > 64


def test_a_single_page_shines_through_itself():
    clean = page(1)
    noisy = alone("bleed", clean, strength=1)
    assert (noisy[clean == 1] < 0.99).any()


def test_a_shadow_is_dark_on_one_side():
    noisy = alone("shadow", white(30), scale=0.1, strength=1)
    dark = noisy.flatten(1).amin(1)
    clear = noisy.flatten(1).amax(1)
    assert dark.min() > np.exp(-1.2) - 1e-9 and (dark < 0.95).all()
    between = ((noisy > dark.view(-1, 1, 1, 1) + 0.02) & (noisy < clear.view(-1, 1, 1, 1) - 0.02)).double()
    assert between.mean((1, 2, 3)).median() < 0.1


def test_light_and_paper_change_slowly_or_finely():
    smooth, fine = (alone(kind, white(8), strength=1)[:, 0] for kind in ("light", "texture"))
    assert smooth.diff(dim=2).abs().max() < 0.03 and (smooth.flatten(1).std(1) > 1e-3).all()
    assert fine.diff(dim=2).abs().amax((1, 2)).median() > 0.005


def test_specks_cover_the_fraction_of_normal_values_above_the_threshold():
    noisy = alone("speckle", white(300, side=64), strength=1, scale=1)
    found = (noisy < 1).double().mean().item()
    thresholds = np.linspace(2.0, 3.2, 1000)
    assert found == pytest.approx(stats.norm.sf(thresholds).mean(), rel=0.15)


def test_other_kinds_do_not_happen():
    assert (Document(kinds=("shadow", "tape"), probability=1)(white(4), seeded())[0] <= 1).all()
    clean = page(8)
    without = Document(kinds=[kind for kind in KINDS if kind != "fade"], probability=1, strength=1)
    assert set(without.kinds) == set(KINDS) - {"fade"}
    assert torch.equal(Document(kinds=["blur"], strength=0)(clean, seeded())[0], clean)


def test_each_kind_has_its_probability_and_images_without_one_get_one():
    kinds = ("light", "stains", "fade")
    chosen = Document(kinds=kinds, probability=0.3)._choose(20000, torch.device("cpu"), seeded())
    none = 0.7**3
    for kind in kinds:
        assert len(chosen[kind]) / 20000 == pytest.approx(0.3 + none / 3, abs=0.015)
    assert len(torch.cat(list(chosen.values())).unique()) == 20000


def test_kinds_that_are_always_there_are_in_every_sample():
    chosen = Document(kinds=("fade", "light", "stains"), probability=0.2, always=["fade"])._choose(
        2000, torch.device("cpu"), seeded()
    )
    assert len(chosen["fade"]) == 2000 and 300 < len(chosen["light"]) < 500


def test_colors_lean_towards_brown_and_gray_has_none():
    noisy = alone("foxing", white(8, channels=3), strength=1)
    density = -noisy.clamp(min=1e-6).log().mean((2, 3))
    assert (density[:, 0] <= density[:, 1]).all() and (density[:, 1] <= density[:, 2]).all()
    assert (density[:, 2] > 1.1 * density[:, 1]).any()
    two = alone("foxing", white(2, channels=2), strength=1)
    assert torch.equal(two[:, 0], two[:, 1])


def test_lengths_grow_with_the_scale():
    small, large = (alone("texture", white(20, side=128), scale=scale, strength=1) for scale in (1, 8))
    assert small.diff(dim=2).abs().mean() > 2 * large.diff(dim=2).abs().mean()


def test_every_kind_but_two_is_a_layer_of_paper():
    layers = "texture stains water foxing tape wrinkles folds light shadow bleed speckle"
    assert (*layers.split(), "fade", "blur") == Document().kinds


def test_kinds_are_kept_in_one_order():
    assert Document(kinds=["blur", "stains"]) == Document(kinds=("stains", "blur"))
    assert hash(Document(kinds=["blur", "stains"])) == hash(Document(kinds=("stains", "blur")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": "stains"}, "kinds='stains' is no list of kinds"),
        ({"kinds": []}, "kinds=[] has none"),
        ({"always": "fade"}, "always='fade' is no list of kinds"),
        ({"kinds": ["fade"], "always": ["blur"]}, "always=['blur'] has the unknown 'blur': choose from fade"),
        ({"kinds": ["stain"]}, "has the unknown 'stain': choose from texture, stains"),
        ({"probability": 2}, "probability=2"),
        ({"strength": (1, 0.5)}, "swap"),
        ({"scale": 0}, "scale=0"),
    ],
)
def test_wrong_options_are_refused_with_the_remedy(options, message):
    with pytest.raises(ValueError) as caught:
        Document(**options)
    assert message in str(caught.value)
