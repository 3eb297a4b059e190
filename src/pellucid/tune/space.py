"""What a study varies: keys of a recipe, each with choices or a range, read from text and checked."""

import dataclasses
import inspect
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid import registry
from pellucid.errors import UsageError
from pellucid.recipes.recipe import TRAINING_TABLES, Recipe
from pellucid.recipes.schema import parse_toml_value

DECADE = 10
DIGITS = 4
MAX_COMBINATIONS = 32
EXAMPLES = "such as train.lr=1e-4..1e-2 or model.up=nearest,bilinear"
# The keys of [data] that change the training images only; any other would change which images are held out.
VARIABLE_DATA_KEYS = ("crop", "augment", "gray")
NOT_TUNABLE = {"train.seed": "it only changes the random numbers", "train.threads": "it only changes the speed"}
# If one of these is varied, the validation losses of two trials cannot be compared.
MEASURE_CHANGED_BY = ("noise", "loss", "objective")


@dataclass(frozen=True)
class Choices:
    """Values to choose from, two or more, as TOML reads them."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> list[str]:
        """The values as Optuna stores them: `nearest`, `64`, `[16, 32]`."""
        return [_label(value) for value in self.values]

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def samples(self) -> tuple[Any, ...]:
        """Return values that must be valid: all of them."""
        return self.values

    def suggest(self, trial: Any, key: str) -> Any:
        """Return the value that Optuna chooses for a trial."""
        return self.values[self.labels.index(trial.suggest_categorical(key, self.labels))]

    def param(self, value: Any) -> str:
        """Return what Optuna stores for a value."""
        return _label(value)


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included; only whole ones if `whole` is set."""

    low: float
    high: float
    whole: bool = False

    @property
    def log(self) -> bool:
        """Whether it spans a decade or more above 0, and is sampled uniformly on a logarithmic scale."""
        return self.low > 0 and self.high >= DECADE * self.low

    @property
    def size(self) -> float:
        """How many values there are, infinity for fractions."""
        return self.high - self.low + 1 if self.whole else math.inf

    def samples(self) -> tuple[Any, ...]:
        """Return values that must be valid: both ends."""
        return self.value(self.low), self.value(self.high)

    def suggest(self, trial: Any, key: str) -> float:
        """Return the value that Optuna chooses for a trial."""
        suggest = trial.suggest_int if self.whole else trial.suggest_float
        return self.value(suggest(key, self.low, self.high, log=self.log))

    def param(self, value: float) -> float:
        """Return what Optuna stores for a value."""
        return value

    def value(self, number: float) -> float:
        """Return a suggested number as a recipe gets it: whole, or rounded to four digits within the range."""
        if self.whole:
            return round(number)
        return float(min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high))


Space = Mapping[str, Choices | Range]


def read_space(pairs: Sequence[str]) -> dict[str, Choices | Range]:
    """Read `train.lr=1e-4..1e-2` as a range and `model.widths=[16,32],[32,64]` as choices, each a value in TOML.

    Raises:
        UsageError: naming a pair that cannot be read, and how to write it.
    """
    space: dict[str, Choices | Range] = {}
    for pair in pairs:
        key, separator, text = (part.strip() for part in pair.partition("="))
        if not (separator and key and text):
            raise UsageError(f'cannot vary "{pair}": write KEY=VALUES, {EXAMPLES}')
        if key in space:
            raise UsageError(f"{key} is varied twice: give all its values at once")
        is_range = re.fullmatch(r"[^\s,\"'\[\]]*\.\.[^\s,\"'\[\]]*", text)
        space[key] = _read_range(key, text) if is_range else _read_choices(key, text)
    return space


def fit_to_recipe(space: Space, recipe: Recipe) -> dict[str, Choices | Range]:
    """Check a space against a recipe, and make ranges fractional where the recipe has a fraction.

    Raises:
        UsageError: for a key that the recipe lacks or that no study can vary, and for an invalid value, with the
            remedy.
    """
    recipe = dataclasses.replace(recipe, study=(), quick={})
    result = {}
    for key, values in space.items():
        if isinstance(values, Range) and values.whole and isinstance(current_value(recipe, key), float):
            values = Range(float(values.low), float(values.high))
        recipe.with_values({key: values.samples()[0]})
        _check_may_vary(key)
        result[key] = values
    for key, values in result.items():
        others = {name: other for name, other in result.items() if name != key}
        for value in values.samples():
            _check_valid(recipe, {key: value}, others)
    return result


def changes_measure(space: Space) -> bool:
    """Return whether the validation losses of two trials cannot be compared."""
    return any(key.partition(".")[0] in MEASURE_CHANGED_BY for key in space)


def recipe_values(space: Space, recipe: Recipe) -> dict[str, Any] | None:
    """Return the recipe's own values of the keys, or None unless all of them are within the space."""
    own = {key: current_value(recipe, key) for key in space}
    for key, values in space.items():
        value = own[key]
        if isinstance(values, Choices):
            inside = any(value == choice and type(value) is type(choice) for choice in values.values)
        else:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            inside = is_number and values.low <= value <= values.high and (not values.whole or value == int(value))
        if not inside:
            return None
    return own


def to_json(space: Space) -> dict[str, list[Any]]:
    """Return the space as JSON values, so that two can be compared."""
    return {
        key: list(values.values) if isinstance(values, Choices) else [values.low, "..", values.high, values.whole]
        for key, values in space.items()
    }


def text_of(value: Any) -> str:
    """Return a value as people read it: `64`, `0.0012`, `nearest`, `[16, 32]`."""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else _label(value)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _read_range(key: str, text: str) -> Range:
    ends = text.split("..")
    numbers = [_number(end) for end in ends]
    if len(ends) != 2 or None in numbers:
        raise UsageError(f"{key}={text} is no range: write two numbers, such as 1e-4..1e-2 or 8..64")
    low, high = (number for number in numbers if number is not None)
    if not low < high:
        raise UsageError(f"{key}={text} is an empty range: write the lower end first")
    return Range(low, high, isinstance(low, int) and isinstance(high, int))


def _number(text: str) -> int | float | None:
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_choices(key: str, text: str) -> Choices:
    parts = list(_split_list(text))
    if not all(parts):
        raise UsageError(f"{key}={text} has an empty value: write one between commas")
    values = tuple(parse_toml_value(part) for part in parts)
    if any(isinstance(value, str) and "|" in value for value in values):
        raise UsageError(f"{key}={text}: separate values by commas, {EXAMPLES}")
    if len({_label(value) for value in values}) < len(values):
        raise UsageError(f"{key}={text} has a value twice: remove one")
    if len(values) < 2:
        raise UsageError(f"{key}={text} leaves nothing to vary: give several values with commas between, or low..high")
    return Choices(values)


def _split_list(text: str) -> Iterator[str]:
    """Yield the parts between the commas that are outside of brackets and quotes."""
    depth, quote, part = 0, "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "," and depth == 0:
            yield part.strip()
            part = ""
            continue
        else:
            depth += (letter in "[{") - (letter in "]}")
        part += letter
    yield part.strip()


def current_value(recipe: Recipe, key: str) -> Any:
    """Return the recipe's value of a key, or the default of its component's option, or None."""
    value: Any = recipe.to_dict()
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    table, _, option = key.partition(".")
    part = getattr(recipe, table, None)
    if value is not None or part is None or table not in registry.PACKAGES:
        return value
    known = inspect.signature(registry.load(table, part.name)).parameters
    default = known[option].default if option in known else None
    return None if default is inspect.Parameter.empty else default


def _check_may_vary(key: str) -> None:
    table, _, name = key.partition(".")
    if table not in TRAINING_TABLES or not name:
        tables = ", ".join(f"[{table}]" for table in TRAINING_TABLES)
        raise UsageError(f"{key} has no part in the training: vary a key of {tables}")
    if table == "data" and name not in VARIABLE_DATA_KEYS:
        allowed = ", ".join(f"data.{other}" for other in VARIABLE_DATA_KEYS)
        raise UsageError(
            f"{key} changes the images that are held out: of [data] vary {allowed}, or tune another recipe"
        )
    if key in NOT_TUNABLE:
        raise UsageError(f"{key} cannot be varied, {NOT_TUNABLE[key]}: set it instead")


def _check_valid(recipe: Recipe, values: Mapping[str, Any], others: Space) -> None:
    """Raise the recipe's error about values unless they are valid alone or with some values of the other keys."""
    errors: list[UsageError] = []
    combinations = itertools.product(*(other.samples() for other in others.values()))
    for combination in (
        {},
        *(dict(zip(others, one, strict=True)) for one in itertools.islice(combinations, MAX_COMBINATIONS)),
    ):
        try:
            recipe.with_values({**combination, **values}).check()
            return
        except UsageError as error:
            errors.append(error)
    raise errors[0]
