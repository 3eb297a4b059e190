import numpy as np
import pytest
import torch
from scipy import stats

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.noise.mix import Mix
from pellucid.recipes.recipe import load_recipe


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(sigma, **others):
    return {"name": "gaussian", "sigma": sigma, **others}


def test_the_parts_get_images_by_their_weights():
    parts = [gaussian(0.1, weight=6), gaussian(0.2, weight=3), gaussian(0.3), gaussian(0.4, weight=0)]
    sigmas = Mix(parts)(torch.zeros(4000, 1, 1, 1), seeded())[1].numpy()
    counts = [np.isclose(sigmas, sigma).sum() for sigma in (0.1, 0.2, 0.3, 0.4)]
    assert counts[3] == 0 and sum(counts) == 4000
    assert stats.chisquare(counts[:3], [2400, 1200, 400]).pvalue > 1e-3


def test_each_image_has_the_noise_of_its_sigma():
    noise = Mix([gaussian(0.05), {"name": "uniform", "low": -0.5, "high": 0.5}, {"name": "masking", "fraction": 0.4}])
    clean = torch.rand(60, 1, 40, 40, generator=seeded())
    noisy, sigmas = noise(clean, seeded())
    added = (noisy - clean).flatten(1)
    kinds = torch.stack([sigmas < 0.1, (sigmas - 12**-0.5).abs() < 1e-6])
    assert kinds.sum(1).min() > 5 and (~kinds.any(0)).sum() > 5
    assert added[kinds[1]].abs().max() <= 0.5
    masked = (noisy[~kinds.any(0)] == 0).float().mean()
    assert masked.item() == pytest.approx(0.4, abs=0.02)
    np.testing.assert_allclose(added[kinds.any(0)].std(1), sigmas[kinds.any(0)], rtol=0.1)


def test_sigma_has_an_error_except_for_exact_parts():
    parts = [gaussian(0.2), {"name": "speckle", "sigma": 0.3}]
    clean = torch.ones(4000, 1, 1, 1)
    sigmas = Mix(parts, level_error=0.15)(clean, seeded())[1]
    exact = sigmas == torch.tensor(0.2)
    assert 1800 < exact.sum() < 2200
    error = sigmas[~exact].double() / 0.3 - 1
    assert stats.kstest(error / 0.15, "norm").pvalue > 1e-3
    all_exact = Mix(parts, level_error=0.15, exact=["gaussian", "speckle"])(clean, seeded())[1]
    np.testing.assert_allclose(all_exact[~exact], 0.3, rtol=1e-6)
    none_exact = Mix(parts, level_error=0.15, exact=[])(clean, seeded())[1]
    assert len(none_exact.unique()) > 3900 and none_exact.min() > 0


def test_a_part_may_return_a_lower_sigma_than_its_own():
    clean = torch.rand(2000, 1, 8, 8, generator=seeded())
    parts = [gaussian(0.2, level_scale=[0.5, 1.0]), {"name": "speckle", "sigma": 0.9}]
    noisy, sigmas = Mix(parts, exact=["gaussian", "speckle"])(clean, seeded())
    is_gaussian = sigmas <= 0.2
    assert stats.kstest(sigmas[is_gaussian].double(), stats.uniform(0.1, 0.1).cdf).pvalue > 1e-3
    assert (noisy - clean)[is_gaussian].std().item() == pytest.approx(0.2, rel=0.02)
    plain = Mix([gaussian(0.2, level_scale=0.25)])(clean[:4], seeded())[1]
    np.testing.assert_allclose(plain, 0.05, rtol=1e-6)


@pytest.mark.parametrize("level_scale", [0, -1, [0.9, 0.5], "half"])
def test_other_factors_of_the_level_are_refused(level_scale):
    with pytest.raises(ValueError, match="level_scale="):
        Mix([gaussian(0.2, level_scale=level_scale)])


def test_the_error_changes_sigma_alone():
    clean = torch.rand(8, 3, 16, 16, generator=seeded())
    sure, unsure = (Mix([gaussian([0, 0.3])], error, exact=())(clean, seeded()) for error in (0.0, 0.2))
    assert torch.equal(sure[0], unsure[0]) and not torch.equal(sure[1], unsure[1])


def test_options_as_toml_has_them_can_be_hashed_and_compared():
    parts = [gaussian([0, 0.2], weight=3), {"name": "jpeg", "quality": [10, 90]}]
    noise = registry.build("noise", "mix", {"parts": parts, "exact": ["jpeg"]})
    assert noise == Mix(parts, exact=("jpeg",)) and hash(noise) == hash(Mix(parts, exact=("jpeg",)))
    assert noise == Mix([dict(reversed(part.items())) for part in parts], exact=["jpeg"])
    assert noise != Mix(parts[:1]) and len({noise, Mix(noise.parts, exact=["jpeg"])}) == 1


def test_a_mixture_may_be_a_part():
    inner = {"name": "mix", "parts": [gaussian(0.1), gaussian(0.2)]}
    noise = Mix([inner, gaussian(0.3, weight=2)])
    assert hash(noise) == hash(Mix([inner, gaussian(0.3, weight=2)]))
    sigmas = noise(torch.zeros(400, 1, 1, 1), seeded())[1]
    assert {round(value, 3) for value in sigmas.tolist()} == {0.1, 0.2, 0.3}


def test_the_photo_recipes_mixture_gives_every_kind_of_noise():
    noise = load_recipe("photo").build("noise")
    clean = torch.rand(24, 3, 32, 32, generator=seeded())
    noisy, sigmas = noise(clean, seeded())
    assert noisy.shape == clean.shape and noisy.isfinite().all()
    assert sigmas.shape == (24,) and (sigmas >= 0).all() and sigmas.max() < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": [{"name": "gausian"}]}, 'unknown noise "gausian" (did you mean "gaussian"?)'),
        ({"parts": [{"name": 3}]}, "name"),
        ({"parts": [gaussian(0.1, blurr=3)]}, 'noise "gaussian" has no option "blurr"'),
        ({"parts": [gaussian(25)]}, "sigma=25"),
        ({"parts": [gaussian(0.1, weight=-1)]}, "weight=-1"),
        ({"parts": [gaussian(0.1, weight=0)]}, "no weight at all"),
        ({"parts": [{"sigma": 0.1}]}, "without a name"),
        ({"parts": []}, "is no list of noise models"),
        ({"parts": "gaussian"}, "is no list of noise models"),
        ({"parts": {"name": "gaussian"}}, "is no list of noise models"),
        ({"parts": ["gaussian"]}, "give a table with a name"),
        ({"parts": [["gaussian"]]}, "give a table with a name"),
        ({"parts": [[1]]}, "give a table with a name"),
        ({"level_error": 2}, "level_error=2"),
        ({"exact": "gaussian"}, "is no list of names"),
        ({"exact": ["gausian"]}, 'did you mean "gaussian"?'),
        ({"exact": [3]}, "is no list of names"),
    ],
)
def test_wrong_parts_are_named_in_one_line(options, message):
    with pytest.raises(UsageError) as caught:
        registry.build("noise", "mix", options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
