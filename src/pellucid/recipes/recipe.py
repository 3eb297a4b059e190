"""A recipe: one experiment, complete and declarative, checked before the first step; torch-free until `check`."""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid import registry
from pellucid.errors import PellucidError, UsageError
from pellucid.recipes.format_1 import FORMAT
from pellucid.recipes.schema import Component, Options, parse_value, to_tables
from pellucid.recipes.toml import to_toml

FOLDER = Path(__file__).parent
TRAINING_TABLES = ("data", "noise", "model", "objective", "loss", "train")
AUTOTUNED_KEYS = ("threads", "precision")
LENGTH_KEYS = ("epochs", "steps")  # settled too where minutes are given


@dataclass(frozen=True)
class Origin:
    """Where a recipe comes from: the text, its published figures, what is assumed and where the recipe deviates."""

    title: str = ""
    authors: str = ""
    year: int = 0
    published: Options = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Data(Component):
    """The data set: `validation` is the share of the training images held out, drawn with `split_seed`.

    `train_images` and `test_images` use the first images alone; 0 means all. The last three change training images
    alone, anew at every step: `crop` cuts a square of so many pixels out of each (0 keeps the whole), `augment`
    mirrors and turns it by quarters, and `gray` is the share of a batch that is made gray, its noise too. `stretched`
    says that each noisy image was stretched to its own peaks: what the network denoises is then stretched alike.
    """

    validation: float = 0.1
    split_seed: int = 42
    train_images: int = 0
    test_images: int = 0
    crop: int = 0
    augment: bool = False
    gray: float = 0.0
    stretched: bool = False


@dataclass(frozen=True)
class Noise(Component):
    """The noise model; `clip` cuts the noisy image to [0,1], `fresh` draws new noise at every step."""

    clip: bool = True
    fresh: bool = True


@dataclass(frozen=True)
class Train:
    """How to train. `threads` 0 and `precision` "auto" are chosen by a probe and written into the run's recipe.

    So are the `epochs` that `minutes` come to here, where they are not 0, and the `steps` of an epoch where few whole
    ones fit: such an epoch sees so many batches of images drawn anew, and not all. 0 steps are as many as it takes to
    see each image once. Training starts from random weights, or from those of `start`: a shipped network's name, or a
    .safetensors file, of the same [model].

    The rate climbs to `lr` over the first `warmup` steps. A cosine schedule keeps it there for the share `hold_fraction` of all
    steps, then lets it fall to 0.
    """

    epochs: int
    batch_size: int
    lr: float
    minutes: float = 0.0
    steps: int = 0
    start: str = ""
    optimizer: Literal["adam", "adamw", "muon"] = "adam"
    schedule: Literal["constant", "cosine"] = "constant"
    hold_fraction: float = 0.0
    warmup: int = 0
    weight_decay: float = 0.0
    gradient_clip: float = 0.0
    ema: float = 0.0
    patience: int = 0
    seed: int = 0
    threads: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def epoch_steps(self, images: int) -> int:
        """Return the steps of an epoch where there are so many images to train on."""
        whole = math.ceil(images / self.batch_size)
        return min(self.steps, whole) if self.steps else whole


@dataclass(frozen=True)
class Classifier(Component):
    """The classifier that reads clean, noisy and denoised images; trained on clean images with Adam.

    The same network, trained for `ceiling_epochs` on images with fresh noise, shows what accuracy the noise allows.
    `validation` is the share of the training images that both leave out.
    """

    validation: float = 0.02
    epochs: int = 3
    ceiling_epochs: int = 20
    batch_size: int = 512
    lr: float = 0.001


@dataclass(frozen=True)
class Evaluate:
    """What is measured: over which seeds, with which metrics and against which classical rivals."""

    seeds: tuple[int, ...] = (0, 1, 2)
    metrics: tuple[str, ...] = ("mse", "psnr", "ssim", "sharpness")
    baselines: tuple[str, ...] = ()
    tuning_images: int = 300


@dataclass(frozen=True)
class Study:
    """One key of the recipe varied over values, each trained for `epochs`, to show its effect on `measure`."""

    title: str
    vary: str
    values: tuple[Any, ...]
    epochs: int
    measure: tuple[str, ...] = ("psnr",)


@dataclass(frozen=True)
class Recipe:
    """One experiment. Its tables mirror the TOML file one to one; nothing is inherited."""

    name: str
    summary: str
    data: Data
    model: Component
    train: Train
    objective: Component = field(default_factory=lambda: Component("supervised"))
    noise: Noise | None = None
    loss: Component | None = None
    origin: Origin = field(default_factory=Origin)
    classifier: Classifier | None = None
    evaluate: Evaluate = field(default_factory=Evaluate)
    study: tuple[Study, ...] = ()
    quick: Options = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as the plain tables of its TOML file."""
        return {"format": FORMAT} | to_tables(self)

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> "Recipe":
        """Read a recipe from plain tables; the key `format` may be missing.

        Raises:
            UsageError: naming the first unknown key, missing key or wrong value.
        """
        if (found := tables.get("format", FORMAT)) != FORMAT:
            raise UsageError(f"format is {found!r}, this version reads {FORMAT}: install the version that wrote it")
        recipe = parse_value(cls, {key: value for key, value in tables.items() if key != "format"})
        recipe._check_values()
        return recipe

    def with_values(self, values: Mapping[str, Any]) -> "Recipe":
        """Return a copy with dotted keys replaced, such as `{"train.epochs": 3, "noise.high": 0.5}`."""
        tables = self.to_dict()
        for key, value in values.items():
            *path, last = key.split(".")
            table = tables
            for part in path:
                table = table.setdefault(part, {})
                if not isinstance(table, dict):
                    raise UsageError(f'recipe "{self.name}": "{key}" is no key, "{part}" is not a table')
            table[last] = value
        return Recipe.from_dict(tables)

    def with_changes(self, values: Mapping[str, Any]) -> "Recipe":
        """Return a copy as `with_values` does, in which epochs take the place of minutes.

        Epochs are whole then, even if those minutes had come to short ones, unless `values` has `train.steps`.
        """
        by_epochs = self.train.minutes and "train.epochs" in values and "train.minutes" not in values
        return self.with_values(({"train.minutes": 0.0, "train.steps": 0} if by_epochs else {}) | dict(values))

    def with_quick_values(self) -> "Recipe":
        """Return the recipe with its `[quick]` values in place."""
        return self.with_changes(self.quick)

    def quick_changes(self) -> tuple[str, ...]:
        """Say what `[quick]` cuts, such as `train.epochs 100 -> 3`."""
        tables = self.to_dict()
        before = {key: _value_at(tables, key) for key in self.quick}
        return tuple(
            f"{key} {_short_text(before[key])} -> {_short_text(value)}"
            for key, value in self.quick.items()
            if before[key] != value
        )

    def training_tables(self) -> dict[str, Any]:
        """Return the tables that the trained network depends on, without what the probe settles."""
        tables = {name: dict(table) for name, table in self.to_dict().items() if name in TRAINING_TABLES}
        tables["data"].pop("test_images")
        for name in self.autotuned_keys:
            tables["train"].pop(name)
        return tables

    @property
    def autotuned_keys(self) -> tuple[str, ...]:
        """The keys of [train] that a probe settles before the first step."""
        return (*AUTOTUNED_KEYS, *LENGTH_KEYS) if self.train.minutes else AUTOTUNED_KEYS

    def to_toml(self) -> str:
        """Return the recipe as a TOML document that `load_recipe` reads back equal."""
        return to_toml(self.to_dict())

    def build(self, kind: Literal["model", "noise", "loss", "objective", "data"]) -> Any:
        """Construct one of the recipe's components, or None where the recipe has none."""
        part = getattr(self, kind)
        return registry.build(kind, part.name, part.options) if part else None

    def for_classifier(self, seed: int, *, on_noise: bool = False) -> "Recipe":
        """Return the recipe that trains this recipe's classifier on clean images, or on noise: the ceiling.

        Raises:
            UsageError: if the recipe has no classifier.
        """
        if self.classifier is None:
            raise UsageError(f'recipe "{self.name}" has no [classifier] table: add one to measure accuracy')
        part = self.classifier
        return dataclasses.replace(
            self,
            name=f"{self.name}-classifier",
            data=dataclasses.replace(self.data, validation=part.validation),
            model=Component(part.name, part.options),
            objective=Component("classification"),
            loss=None,
            noise=dataclasses.replace(self.noise, fresh=True) if on_noise and self.noise else None,
            train=Train(part.ceiling_epochs if on_noise else part.epochs, part.batch_size, part.lr, seed=seed),
            quick={},
        )

    def check(self) -> None:
        """Construct every component, so that each name, option and combination is refused before the first step.

        Raises:
            UsageError: naming the key, its value and the remedy.
        """
        for study in self.study:
            for value in study.values:
                self.with_values({study.vary: value})
        self.with_quick_values()
        self.build("data")
        self.build("objective")
        self.build("noise")
        loss, model = self.build("loss"), self.build("model")
        if loss is None and model.task == "denoise":
            raise UsageError(f'recipe "{self.name}" has no [loss] table: add one, such as name = "mse"')
        if loss is not None and loss.on_logits and model.output != "sigmoid":
            raise UsageError(
                f'recipe "{self.name}": loss "{self.loss.name if self.loss else ""}" is taken on logits and needs '
                f'model.output = "sigmoid", not "{model.output}"'
            )

    def _check_values(self) -> None:
        train, data, classifier = self.train, self.data, self.classifier
        at_least_0, share = ("at least 0", lambda value: value >= 0), ("between 0 and 1", lambda value: 0 < value < 1)
        at_least_1, positive = ("at least 1", lambda value: value >= 1), ("above 0", lambda value: value > 0)
        rules = [
            ("train.epochs", train.epochs, at_least_1),
            ("train.minutes", train.minutes, ("0 or more, and finite", lambda value: 0 <= value < float("inf"))),
            ("train.steps", train.steps, at_least_0),
            ("train.batch_size", train.batch_size, at_least_1),
            ("train.lr", train.lr, positive),
            ("train.ema", train.ema, ("in [0, 1)", lambda value: 0 <= value < 1)),
            ("train.patience", train.patience, at_least_0),
            ("train.threads", train.threads, at_least_0),
            ("train.gradient_clip", train.gradient_clip, at_least_0),
            ("train.weight_decay", train.weight_decay, at_least_0),
            ("data.validation", data.validation, share),
            ("data.train_images", data.train_images, at_least_0),
            ("data.test_images", data.test_images, at_least_0),
            ("data.crop", data.crop, at_least_0),
            ("data.gray", data.gray, ("between 0 and 1", lambda value: 0 <= value <= 1)),
            ("train.hold_fraction", train.hold_fraction, ("in [0, 1)", lambda value: 0 <= value < 1)),
            ("train.warmup", train.warmup, at_least_0),
            ("evaluate.seeds", len(self.evaluate.seeds), ("one number or more", lambda value: value >= 1)),
        ]
        if classifier:
            counts = ("epochs", "ceiling_epochs", "batch_size")
            rules += [(f"classifier.{name}", getattr(classifier, name), at_least_1) for name in counts]
            rules += [
                ("classifier.lr", classifier.lr, positive),
                ("classifier.validation", classifier.validation, share),
            ]
        for key, value, (wanted, holds) in rules:
            if not holds(value):
                raise UsageError(f'recipe "{self.name}": {key} is {value}, it must be {wanted}')
        parts = {"data": self.data, "model": self.model, "objective": self.objective}
        parts |= {"noise": self.noise, "loss": self.loss}
        for kind, part in parts.items():
            if part:
                registry.summary(kind, part.name)
        for metric in self.evaluate.metrics:
            registry.summary("metric", metric)
        for rival in self.evaluate.baselines:
            registry.summary("classical", rival)


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by name, or a recipe file (one that ends in .toml) by path.

    Raises:
        UsageError: for an unknown name, a file that is not TOML, or an unknown key, name or value in it.
        PellucidError: if the file cannot be read.
    """
    text = str(name_or_path)
    path = Path(text)
    if path.suffix != ".toml":
        path = FOLDER / f"{text}.toml"
        if text not in recipe_names():
            raise UsageError(
                f'unknown recipe "{text}"{registry.suggestion(text, recipe_names())}; a file must end in .toml'
            )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a TOML file: {error}") from error
    except OSError as error:
        raise PellucidError(f"cannot read the recipe {path}: {error.strerror}") from error
    if tables.get("format", 1) == 1:
        raise UsageError(f"{path} is a recipe of format 1: pellucid convert {path} turns it into format {FORMAT}")
    try:
        return Recipe.from_dict({"name": path.stem, **tables})
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from error


def _value_at(tables: Mapping[str, Any], key: str) -> Any:
    value: Any = tables
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _short_text(value: Any) -> str:
    """Return a value in a few words: of a list of names or tables, their number."""
    listed = isinstance(value, list) and all(isinstance(item, str | dict) for item in value)
    return f"{len(value) or 'none'}" if listed else str(value)
