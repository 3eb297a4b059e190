import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import UsageError
from pellucid.input_spec import InputSpec

sides = st.integers(1, 512)
specs = st.builds(
    InputSpec,
    channels=st.lists(sides, min_size=1, max_size=3, unique=True).map(tuple),
    multiple_of=sides,
    fixed_size=st.none() | st.tuples(sides, sides),
    minimum_size=sides,
    dtype=st.sampled_from(["", "uint16", "float32"]),
    data_range=st.floats(0, 1e6),
)


@given(specs)
def test_a_spec_survives_json(spec):
    assert InputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        InputSpec().multiple_of = 2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 8192, 4320)])
def test_by_default_gray_and_color_of_any_size_fit(shape):
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


def test_a_spec_of_an_older_file_has_no_data_range():
    values = InputSpec().to_dict()
    del values["dtype"], values["data_range"]
    assert InputSpec.from_dict(values) == InputSpec()


def test_the_data_range_is_that_of_arrays_of_the_training_dtype():
    def data_ranges(dtype):
        spec = InputSpec(dtype=dtype, data_range=700.0)
        return [
            spec.data_range_for(np.zeros(1, kind))
            for kind in ("uint8", "uint16", ">u2", "float16", "float32", "float64")
        ]

    assert data_ranges("uint8") == [700, None, None, None, None, None]
    assert data_ranges("uint16") == [None, 700, None, None, None, None]
    assert data_ranges("float32") == [None, None, None, 700, 700, 700]
    assert InputSpec().data_range_for(np.zeros(1, np.uint16)) is None
