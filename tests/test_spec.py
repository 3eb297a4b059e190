import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.spec import InputSpec

sides = st.integers(1, 512)
specs = st.builds(
    InputSpec,
    channels=st.lists(sides, min_size=1, max_size=3, unique=True).map(tuple),
    multiple_of=sides,
    fixed_size=st.none() | st.tuples(sides, sides),
    minimum_size=sides,
)


@given(specs)
def test_a_spec_survives_json(spec):
    assert InputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        InputSpec().multiple_of = 2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8192, 4320)])
def test_by_default_gray_and_colour_of_any_size_fit(shape):
    InputSpec().check(shape)


def test_a_size_that_is_no_multiple_fits_since_the_caller_pads():
    InputSpec(multiple_of=8).check((1, 13, 9))


@pytest.mark.parametrize(
    ("spec", "shape", "words"),
    [
        (InputSpec(channels=(1, 3)), (4, 8, 8), ["4 channels", "1 or 3", "convert"]),
        (InputSpec(channels=(1,), fixed_size=(28, 28)), (1, 28, 30), ["28x30", "28x28", "resize"]),
        (InputSpec(minimum_size=8), (1, 7, 100), ["7x100", "8 pixels", "enlarge"]),
    ],
)
def test_an_image_that_does_not_fit_is_named_with_the_remedy(spec, shape, words):
    with pytest.raises(UsageError) as caught:
        spec.check(shape, "photo.png")
    message = str(caught.value)
    assert message.startswith("photo.png") and "\n" not in message
    assert all(word in message for word in words)
