"""A recipe describes one experiment completely and is checked before the first step; only `check` needs torch."""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pellucid import registry
from pellucid.errors import OldFormat, PellucidError, UsageError
from pellucid.recipes.schema import NOT_EMPTY, RULES, Component, Options, parse_value, to_tables

FOLDER = Path(__file__).parent
FORMAT = 2
TRAINING_TABLES = ("data", "noise", "model", "objective", "loss", "train")
AUTOTUNED_KEYS = ("threads", "precision")
LENGTH_KEYS = ("epochs", "steps")  # autotuned too where [train] has minutes


@dataclass(frozen=True)
class Origin:
    """The source of a recipe: the text, its published figures, assumptions, and deviations of the recipe from it."""

    title: str = ""
    authors: str = ""
    year: int = 0
    published: Options = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Data(Component):
    """The data set and how its images are split and augmented.

    Attributes:
        validation: the fraction of the training images that is held out, between 0 and 1.
        split_seed: the seed of that split.
        train_images, test_images: use only so many of the first images; 0 uses all.
        crop: the side in pixels of a square that is cropped at random from each training image at every step; 0 keeps
            the whole image.
        augment: whether training images are flipped and rotated by quarter turns at random at every step.
        gray: the fraction of a training batch that is made gray, together with its noise, from 0 to 1.
        stretched: whether the contrast of each noisy image was stretched between its own peaks. The network's input
            is then stretched in the same way.
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
    """The noise model.

    Attributes:
        clip: whether noisy images are clipped to [0, 1].
        fresh: whether each step adds new noise; otherwise each image keeps its noise.
    """

    clip: bool = True
    fresh: bool = True


@dataclass(frozen=True)
class Train:
    """How to train.

    Attributes:
        epochs: the number of epochs, chosen by timing where `minutes` is not 0.
        batch_size: images in a batch.
        lr: the highest learning rate.
        minutes: how long the training may take on this machine; 0 leaves the length to `epochs`.
        steps: the steps of an epoch; 0 takes as many as it needs to see each image once. Chosen by timing where
            `minutes` allows only a few whole epochs: an epoch then sees a random part of the images.
        start: pretrained weights: the name of a shipped network or a .safetensors file with the same [model]; empty
            for random weights.
        optimizer, schedule: "constant" keeps the rate, "cosine" lowers it to 0.
        hold_fraction: the fraction of all steps during which a cosine schedule keeps `lr`, in [0, 1).
        warmup: the steps over which the rate rises to `lr`.
        weight_decay: the factor of decoupled weight decay.
        gradient_clip: the norm to which gradients are clipped; 0 turns it off.
        ema: the decay of the exponential moving average of the weights, in [0, 1); 0 turns it off.
        patience: the epochs without improvement after which training stops; 0 turns it off.
        seed: the seed of all randomness in the training.
        threads: CPU threads; 0 chooses by timing and writes the choice into the run's recipe.
        precision: of the network's arithmetic; "auto" chooses by timing likewise.
        device: "auto" is a CUDA GPU where there is one, otherwise the CPU. A run may be resumed on another device.
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
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    def epoch_steps(self, images: int) -> int:
        """Return the steps of an epoch over so many training images."""
        whole = math.ceil(images / self.batch_size)
        return min(self.steps, whole) if self.steps else whole


@dataclass(frozen=True)
class Classifier(Component):
    """The classifier that is applied to clean, noisy and denoised images; trained on clean images with Adam.

    Attributes:
        validation: the fraction of the training images that is held out, between 0 and 1.
        epochs: the epochs of its training.
        ceiling_epochs: the epochs of a second training of the same network, on images with fresh noise; its accuracy
            is the most that the noise allows.
        batch_size, lr: as in `Train`.
    """

    validation: float = 0.02
    epochs: int = 3
    ceiling_epochs: int = 20
    batch_size: int = 512
    lr: float = 0.001


@dataclass(frozen=True)
class Evaluate:
    """The evaluation.

    Attributes:
        seeds: of the trainings that are evaluated.
        metrics: names of metrics.
        baselines: names of the classical methods that the network is compared with.
        tuning_images: how many training images the options of the baselines are tuned on.
    """

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
    """One experiment; its fields are the tables of the TOML file."""

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
        """Return the recipe as plain tables, as its TOML file holds them."""
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
        """Return a copy as `with_values` does; a given `train.epochs` replaces the recipe's minutes.

        These epochs see all images unless `values` has `train.steps`.
        """
        by_epochs = self.train.minutes and "train.epochs" in values and "train.minutes" not in values
        return self.with_values(({"train.minutes": 0.0, "train.steps": 0} if by_epochs else {}) | dict(values))

    def with_quick_values(self) -> "Recipe":
        """Return a copy with the values of its table [quick]."""
        return self.with_changes(self.quick)

    def quick_changes(self) -> tuple[str, ...]:
        """Describe what [quick] changes, such as `train.epochs 100 -> 3`."""
        tables = self.to_dict()
        before = {key: _value_at(tables, key) for key in self.quick}
        return tuple(
            f"{key} {_short_text(before[key])} -> {_short_text(value)}"
            for key, value in self.quick.items()
            if before[key] != value
        )

    def training_tables(self) -> dict[str, Any]:
        """Return the tables that the trained network depends on, without the autotuned keys and the device."""
        tables = {name: dict(table) for name, table in self.to_dict().items() if name in TRAINING_TABLES}
        tables["data"].pop("test_images")
        for name in (*self.autotuned_keys, "device"):
            tables["train"].pop(name)
        return tables

    @property
    def autotuned_keys(self) -> tuple[str, ...]:
        """The keys of [train] that autotuning may set before the first step, such as `threads`."""
        return (*AUTOTUNED_KEYS, *LENGTH_KEYS) if self.train.minutes else AUTOTUNED_KEYS

    def to_toml(self) -> str:
        """Return the recipe as a TOML document that `load_recipe` reads back equal."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())

    def build(self, kind: Literal["model", "noise", "loss", "objective", "data"]) -> Any:
        """Construct one of the recipe's components, or None where the recipe has none."""
        part = getattr(self, kind)
        return registry.build(kind, part.name, part.options) if part else None

    def for_classifier(self, seed: int, *, on_noise: bool = False) -> "Recipe":
        """Return the recipe that trains this recipe's classifier.

        Args:
            seed: of the training.
            on_noise: train on noisy images for `ceiling_epochs`, not on clean ones.

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
        """Construct every component, so that a wrong name, option or combination fails before the first step.

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
                f'recipe "{self.name}": loss "{self.loss.name if self.loss else ""}" is computed from logits and needs '
                f'model.output = "sigmoid", not "{model.output}"'
            )

    def _check_values(self) -> None:
        rules = [("evaluate.seeds", len(self.evaluate.seeds), NOT_EMPTY)]
        for table, rules_of_table in RULES.items():
            if part := getattr(self, table):
                rules += [(f"{table}.{key}", getattr(part, key), rule) for key, rule in rules_of_table.items()]
        for key, value, (expected, is_valid) in rules:
            if not is_valid(value):
                raise UsageError(f'recipe "{self.name}": {key} is {value}, it must be {expected}')
        for kind in ("data", "model", "objective", "noise", "loss"):
            if part := getattr(self, kind):
                registry.summary(kind, part.name)
        for metric in self.evaluate.metrics:
            registry.summary("metric", metric)
        for baseline in self.evaluate.baselines:
            registry.summary("classical", baseline)


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by name, or a recipe file, which ends in .toml, by path.

    Raises:
        UsageError: for an unknown name, a file that is not TOML or of another format, or an unknown key, name or
            value in it.
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
        is_run = (path.parent / "last.safetensors").is_file()
        raise OldFormat(path.parent, "run folder") if is_run else OldFormat(path, "recipe")
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
    """Return a value as text; of a list of names or tables, only their number."""
    listed = isinstance(value, list) and all(isinstance(item, str | dict) for item in value)
    return f"{len(value) or 'none'}" if listed else str(value)
