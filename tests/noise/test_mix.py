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


def test_the_parts_share_the_samples_by_their_weights():
    parts = [gaussian(0.1, weight=6), gaussian(0.2, weight=3), gaussian(0.3), gaussian(0.4, weight=0)]
    level = Mix(parts)(torch.zeros(4000, 1, 1, 1), seeded())[1].numpy()
    counts = [np.isclose(level, sigma).sum() for sigma in (0.1, 0.2, 0.3, 0.4)]
    assert counts[3] == 0 and sum(counts) == 4000
    assert stats.chisquare(counts[:3], [2400, 1200, 400]).pvalue > 1e-3


def test_each_sample_has_the_noise_whose_level_it_is_given():
    noise = Mix([gaussian(0.05), {"name": "uniform", "low": -0.5, "high": 0.5}, {"name": "masking", "fraction": 0.4}])
    clean = torch.rand(60, 1, 40, 40, generator=seeded())
    noisy, level = noise(clean, seeded())
    added = (noisy - clean).flatten(1)
    kinds = torch.stack([level < 0.1, (level - 12**-0.5).abs() < 1e-6])
    assert kinds.sum(1).min() > 5 and (~kinds.any(0)).sum() > 5
    assert added[kinds[1]].abs().max() <= 0.5
    masked = (noisy[~kinds.any(0)] == 0).float().mean()
    assert masked.item() == pytest.approx(0.4, abs=0.02)
    np.testing.assert_allclose(added[kinds.any(0)].std(1), level[kinds.any(0)], rtol=0.1)


def test_the_level_has_an_error_but_where_it_is_to_be_exact():
    parts = [gaussian(0.2), {"name": "speckle", "sigma": 0.3}]
    clean = torch.ones(4000, 1, 1, 1)
    level = Mix(parts, level_error=0.15)(clean, seeded())[1]
    exact = level == torch.tensor(0.2)
    assert 1800 < exact.sum() < 2200
    error = level[~exact].double() / 0.3 - 1
    assert stats.kstest(error / 0.15, "norm").pvalue > 1e-3
    all_exact = Mix(parts, level_error=0.15, exact=["gaussian", "speckle"])(clean, seeded())[1]
    np.testing.assert_allclose(all_exact[~exact], 0.3, rtol=1e-6)
    none_exact = Mix(parts, level_error=0.15, exact=[])(clean, seeded())[1]
    assert len(none_exact.unique()) > 3900 and none_exact.min() > 0


def test_a_part_may_be_told_as_fainter_than_it_is():
    clean = torch.rand(2000, 1, 8, 8, generator=seeded())
    parts = [gaussian(0.2, told=[0.5, 1.0]), {"name": "speckle", "sigma": 0.9}]
    noisy, level = Mix(parts, exact=["gaussian", "speckle"])(clean, seeded())
    is_gaussian = level <= 0.2
    assert stats.kstest(level[is_gaussian].double(), stats.uniform(0.1, 0.1).cdf).pvalue > 1e-3
    assert (noisy - clean)[is_gaussian].std().item() == pytest.approx(0.2, rel=0.02)
    plain = Mix([gaussian(0.2, told=0.25)])(clean[:4], seeded())[1]
    np.testing.assert_allclose(plain, 0.05, rtol=1e-6)


@pytest.mark.parametrize("told", [0, -1, [0.9, 0.5], "half"])
def test_other_shares_of_the_level_are_refused(told):
    with pytest.raises(ValueError, match="told="):
        Mix([gaussian(0.2, told=told)])


def test_the_error_is_in_the_level_alone():
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
    level = noise(torch.zeros(400, 1, 1, 1), seeded())[1]
    assert {round(value, 3) for value in level.tolist()} == {0.1, 0.2, 0.3}


def test_the_photo_recipes_mixture_gives_every_kind_of_noise():
    noise = load_recipe("photo").build("noise")
    clean = torch.rand(24, 3, 32, 32, generator=seeded())
    noisy, level = noise(clean, seeded())
    assert noisy.shape == clean.shape and noisy.isfinite().all()
    assert level.shape == (24,) and (level >= 0).all() and level.max() < 0.5


@pytest.mark.parametrize(
    ("options", "said"),
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
def test_what_is_wrong_is_said_in_one_line(options, said):
    with pytest.raises(UsageError) as caught:
        registry.build("noise", "mix", options)
    assert said in str(caught.value) and "\n" not in str(caught.value)
