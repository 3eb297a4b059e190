"""What every objective keeps to, whichever files there are."""

import dataclasses

import pytest

from pellucid import registry


@pytest.mark.parametrize("name", registry.names("objective"))
def test_an_objective_is_frozen_and_says_what_it_needs(name):
    objective = registry.load("objective", name)()
    assert isinstance(objective.needs_labels, bool)
    assert dataclasses.replace(objective) == objective
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.needs_labels = None
