"""Choose the recipe that fits the images and the minutes for training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.errors import UsageError
from pellucid.own_data.analysis import DatasetAnalysis, describe_dataset
from pellucid.recipes.recipe import Recipe

MINUTES = 10.0
SHORT_MINUTES = 3.0
PATCHES_PER_MINUTE, MIN_PATCHES, MAX_PATCHES = 400, 256, 8000
MAX_OVERLAP = 6  # patches that a pixel lies in, on average
MAX_BYTES = 1 << 30  # of all patches in memory
CROP_FRACTION, MIN_CROPPED_PATCH = 0.75, 64
MIN_DEEP_PATCH = 32  # smaller patches are not worth halving three times
BATCH_SIZE = 16
MAX_CORRELATION_LENGTH = 4
AGREEMENT_RANGE = 0.7, 1.2


@dataclass(frozen=True)
class PretrainedModel:
    """The network that training starts from: its name or file, and the recipe's [model] table."""

    name: str
    model: dict[str, Any]

    @property
    def channels(self) -> int:
        """The number of channels that it accepts."""
        return int(self.model.get("channels", 1))

    @property
    def is_conditional(self) -> bool:
        """Whether it is conditioned on the noise level."""
        return bool(self.model.get("condition", False))


def load_pretrained(name: str) -> PretrainedModel:
    """Read the model of a network to start from: a shipped one, such as `photo`, or a .safetensors file.

    Raises:
        UsageError: if the name is unknown, or the file holds no denoiser.
        PellucidError: if the file is missing or damaged.
    """
    from pellucid.checkpoint import load
    from pellucid.weights import catalog

    found = catalog.find(name)
    catalog.verify(found)
    if found.safetensors is None:
        raise UsageError(f"--from {name} is an exported network: give the .safetensors file that it was exported from")
    checkpoint = load(found.safetensors)
    if "denoiser" not in checkpoint.networks:
        raise UsageError(f"--from {name} holds no denoiser: give a shipped one, such as photo, or a best.safetensors")
    model = checkpoint.recipe.model
    name = name if found.card else str(found.safetensors.resolve())
    return PretrainedModel(name, {"name": model.name, **model.options})


def choose_recipe(
    analysis: DatasetAnalysis,
    name: str,
    files: str,
    pretrained: PretrainedModel | None = None,
    values: Mapping[str, Any] | None = None,
) -> Recipe:
    """Return a recipe for training on the images, checked.

    Args:
        analysis: the images and their noise.
        name: the name of the recipe.
        files: the path where the list of files will be written.
        pretrained: the network to start from, or None to train from scratch.
        values: keys of the recipe to change, such as `{"train.minutes": 20}`.

    Raises:
        UsageError: if a value is not allowed.
    """
    values = dict(values or {})
    if "data.path" in values:
        raise UsageError("--set data.path is where train writes its list of files: leave it out")
    if "train.epochs" in values:
        values.setdefault("train.minutes", 0.0)
    requested = values.get("train.minutes")
    minutes = float(requested) if isinstance(requested, int | float) and requested > 0 else MINUTES
    objective, loss = _objective_and_loss(analysis)
    tables: dict[str, Any] = {
        "name": name,
        "summary": f"Trained on {' and '.join(folder.name for folder in analysis.sources.folders)}",
        "origin": {"title": "Chosen by Pellucid for these images", "assumed": describe_dataset(analysis)},
        "data": _data(analysis, files, minutes),
        "model": pretrained.model if pretrained else _model(analysis, minutes),
        "objective": objective,
        "loss": loss,
        "train": _train(analysis, minutes, pretrained),
        "evaluate": {"seeds": [0], "metrics": ["psnr", "ssim"]},
    }
    if analysis.sources.kind == "clean":
        tables["noise"] = _noise(analysis)
    if pretrained:
        values["train.start"] = pretrained.name
    recipe = Recipe.from_dict(tables).with_values(values)
    recipe.check()
    return recipe


def _data(analysis: DatasetAnalysis, files: str, minutes: float) -> dict[str, Any]:
    """Return the [data] table: enough patches for some epochs in the given time, if the images have that many."""
    patch = analysis.patch
    area = patch * patch
    arrays = 1 if analysis.sources.kind in ("clean", "noisy") else 2
    patch_bytes = area * analysis.channels * arrays * {"uint8": 1, "uint16": 2, "float32": 4}[analysis.dtype]
    bounds = (
        PATCHES_PER_MINUTE * minutes,
        MAX_PATCHES,
        MAX_OVERLAP * analysis.num_training_pixels / area,
        MAX_BYTES / patch_bytes,
    )
    table = {
        "name": "listed",
        "path": files,
        "patch": patch,
        "num_patches": max(MIN_PATCHES, round(min(bounds))),
        "crop": round(CROP_FRACTION * patch / 8) * 8 if patch >= MIN_CROPPED_PATCH else 0,
        # A rotation by 90° would turn noise along rows into noise along columns, which the images never have.
        "augment": analysis.noise.axis not in ("rows", "columns"),
    }
    return table | ({"stretched": True} if analysis.noise_analysis.stretched else {})


def _model(analysis: DatasetAnalysis, minutes: float) -> dict[str, Any]:
    is_small = minutes < SHORT_MINUTES or analysis.patch < MIN_DEEP_PATCH
    return {
        "name": "unet",
        "channels": analysis.channels,
        "widths": [16, 32, 64] if is_small else [16, 32, 64, 128],
        "blocks": 1 if is_small else 2,
        "condition": analysis.sources.kind == "noisy" and _is_gaussian(analysis),
    }


def _objective_and_loss(analysis: DatasetAnalysis) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the [objective] and [loss] tables.

    Noisy targets need the squared error, since the mean of the noisy values, which minimizes it, is the clean value.
    """
    kind, noise = analysis.sources.kind, analysis.noise
    if kind in ("pairs", "clean"):
        return {"name": "supervised"}, {"name": "l1"}
    if kind == "captures":
        return {"name": "noise2noise"}, {"name": "mse"}
    if _is_gaussian(analysis):
        return {"name": "recorrupted"}, {"name": "mse"}
    if noise.axis == "none":
        return {"name": "neighbor2neighbor"}, {"name": "mse"}
    across, down = (min(length, MAX_CORRELATION_LENGTH) for length in noise.correlation_length)
    struct = {"rows": [across, 0], "columns": [0, down]}.get(noise.axis, [min(across, 1), min(down, 1)])
    return {"name": "noise2void", "struct": struct}, {"name": "mse"}


def _is_gaussian(analysis: DatasetAnalysis) -> bool:
    """Return whether the noise is white, the same in dark and bright, and as strong as the noise-level network says.

    Then its level is known, which is all that the objective `recorrupted` needs.
    """
    noise = analysis.noise
    flat = (noise.sigma_dark + noise.sigma_bright) / 2
    has_known_level = AGREEMENT_RANGE[0] * flat < noise.sigma < AGREEMENT_RANGE[1] * flat
    return noise.axis == "none" and not noise.is_signal_dependent and has_known_level


def _noise(analysis: DatasetAnalysis) -> dict[str, Any]:
    """Return the [noise] table; integer files cannot hold values below black and above white, so it clips for them."""
    from pellucid.noise.add_noise import parse_noise_text

    return {**parse_noise_text(analysis.sources.noise), "clip": analysis.dtype != "float32", "fresh": True}


def _train(analysis: DatasetAnalysis, minutes: float, pretrained: PretrainedModel | None) -> dict[str, Any]:
    return {
        "epochs": 1,
        "minutes": minutes,
        "batch_size": min(BATCH_SIZE, max(1, analysis.num_positions)),
        "lr": 0.0005 if pretrained else 0.002,
        "optimizer": "muon",
        "schedule": "cosine",
        "hold_fraction": 0.0 if pretrained else 0.3,
        "warmup": 20,
        "gradient_clip": 0.5,
        "ema": 0.99 if minutes < SHORT_MINUTES else 0.998,
    }
