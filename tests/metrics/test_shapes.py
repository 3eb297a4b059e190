import pytest

from pellucid.errors import UsageError
from pellucid.metrics.shapes import positive_range


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_a_data_range_has_to_be_positive(value):
    with pytest.raises(UsageError, match=f"data_range is {value}"):
        positive_range(value)
