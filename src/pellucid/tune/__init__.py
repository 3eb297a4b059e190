"""Find better values for a recipe's keys: train it again and again for a short while, each time with others."""

from pellucid.tune.space import Choices, Range, read_space
from pellucid.tune.study import Tuned, TuningProgress, tune
from pellucid.tune.trial import Outcome

__all__ = ["Choices", "Outcome", "Range", "Tuned", "TuningProgress", "read_space", "tune"]
