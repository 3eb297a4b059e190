import numpy as np
import pytest
import torch

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.noise.chain import Chain
from pellucid.noise.mix import Mix


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(sigma):
    return {"name": "gaussian", "sigma": sigma}


def test_variances_of_independent_parts_add_up():
    clean = torch.full((3, 1, 200, 200), 0.5, dtype=torch.float64)
    noisy, sigmas = Chain([gaussian(0.3), gaussian(0.4)])(clean, seeded())
    np.testing.assert_allclose((noisy - clean).flatten(1).std(1), 0.5, rtol=0.02)
    np.testing.assert_allclose(sigmas, (noisy - clean).flatten(1).square().mean(1).sqrt())


def test_the_order_is_kept():
    clean = torch.full((1, 1, 64, 64), 0.5)
    masked = {"name": "masking", "fraction": 0.5}
    after, before = (Chain(parts)(clean, seeded())[0] for parts in ([gaussian(0.1), masked], [masked, gaussian(0.1)]))
    assert (after == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert not (before == 0).any()


def test_one_part_is_that_part():
    clean = torch.rand(2, 1, 16, 16, generator=seeded())
    alone = registry.build("noise", "speckle", {"sigma": 0.2})(clean, seeded())[0]
    torch.testing.assert_close(Chain([{"name": "speckle", "sigma": 0.2}])(clean, seeded())[0], alone)


def test_chains_and_mixtures_hold_each_other():
    document = {"name": "document", "kinds": ["shadow", "blur"]}
    chain = {"name": "chain", "parts": [document, gaussian([0, 0.05]), {"name": "jpeg", "quality": [40, 95]}]}
    mix = registry.build("noise", "mix", {"parts": [{**chain, "weight": 3}, gaussian(0.1)]})
    assert hash(mix) == hash(Mix([{**chain, "weight": 3}, gaussian(0.1)]))
    clean = torch.rand(8, 3, 24, 24, generator=seeded())
    noisy, sigmas = mix(clean, seeded())
    assert noisy.shape == clean.shape and (sigmas > 0).all()
    outer = Chain([{"name": "mix", "parts": [gaussian(0.1), gaussian(0.2)]}, {"name": "jpeg"}])
    assert outer == Chain(outer.parts) and outer(clean, seeded())[0].isfinite().all()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "is no list of noise models"),
        ("gaussian", "is no list of noise models"),
        (["gaussian"], "give a table with a name"),
        ([{"sigma": 0.1}], "without a name"),
        ([{"name": "gausian"}], 'did you mean "gaussian"?'),
        ([{**gaussian(0.1), "weight": 2}], 'noise "gaussian" has no option "weight"'),
    ],
)
def test_wrong_parts_are_named_in_one_line(parts, message):
    with pytest.raises(UsageError) as caught:
        registry.build("noise", "chain", {"parts": parts})
    assert message in str(caught.value) and "\n" not in str(caught.value)
