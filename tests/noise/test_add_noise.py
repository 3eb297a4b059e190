import numpy as np
import pytest

from pellucid.errors import UsageError
from pellucid.noise import add_noise


def test_one_noise_model_is_a_table_in_units_of_white():
    assert add_noise.parse_noise_text(("gaussian(sigma=51)",)) == {"name": "gaussian", "sigma": 0.2}
    assert add_noise.parse_noise_text(("gaussian(sigma=(0, 51))",)) == {"name": "gaussian", "sigma": (0.0, 0.2)}
    assert add_noise.parse_noise_text(("poisson(peak=30)",)) == {"name": "poisson", "peak": 30}


def test_plus_chains_and_several_mix():
    chain = {"name": "chain", "parts": [{"name": "gaussian", "sigma": 0.2}, {"name": "jpeg", "quality": (40, 95)}]}
    assert add_noise.parse_noise_text(("gaussian(sigma=51) + jpeg(quality=(40, 95))",)) == chain
    table = add_noise.parse_noise_text(("gaussian(sigma=51)+jpeg(quality=(40, 95))", "poisson"))
    assert table == {"name": "mix", "parts": [chain, {"name": "poisson"}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gausian", "did you mean"),
        ("gaussian(sigma=25)+", 'cannot read ""'),
        ("gaussian(sigma=-1)", "give a number from 0 to 1020"),
        ("gaussian(sigma=1e+3) + masking(fraction=2)", "fraction"),
    ],
)
def test_what_cannot_be_is_named(text, message):
    with pytest.raises(UsageError) as caught:
        add_noise.parse_noise_text((text,))
    assert message in str(caught.value)


def test_a_data_range_may_be_given():
    pixels = np.full((16, 16), 500, np.uint16)
    noise = add_noise.parse_noise_255("gaussian(sigma=25.5)")
    noisy = add_noise.add_noise(pixels, noise, channel_axis=None, data_range=1000.0)
    assert noisy.dtype == np.uint16 and noisy.std() == pytest.approx(100, rel=0.2)
