"""The recipe that fits what was found in the folders, and the minutes there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid.errors import UsageError
from pellucid.own_data.analysis import Findings
from pellucid.own_data.summary import found
from pellucid.recipes.recipe import Recipe

MINUTES = 10.0
FEW_MINUTES = 3.0
PATCHES_A_MINUTE, LEAST_PATCHES, MOST_PATCHES = 400, 256, 8000
OVERLAP = 6  # times that each pixel may lie in a patch
MOST_BYTES = 1 << 30  # of all patches in memory
CROP, CROPPED_FROM = 0.75, 64
LEAST_DEEP = 32  # the least patch that is worth halving three times
BATCH = 16
MOST_REACH = 4
AGREEING = 0.7, 1.2


@dataclass(frozen=True)
class Start:
    """The network that training starts from: its name or file, and the recipe's [model] table."""

    name: str
    model: dict[str, Any]

    @property
    def channels(self) -> int:
        """How many channels it takes."""
        return int(self.model.get("channels", 1))

    @property
    def conditional(self) -> bool:
        """Whether it is told the noise level."""
        return bool(self.model.get("condition", False))


def start_from(name: str) -> Start:
    """Look at the network to start from: a shipped one, such as `photo`, or a .safetensors file.

    Raises:
        UsageError: for an unknown name, or a file that holds no denoiser.
        PellucidError: if the file is absent or broken.
    """
    from pellucid import weights
    from pellucid.checkpoint import load

    found = weights.find(name)
    weights.verify(found)
    if found.safetensors is None:
        raise UsageError(f"--from {name} is an exported network: give the .safetensors file that it was exported from")
    checkpoint = load(found.safetensors)
    if "denoiser" not in checkpoint.networks:
        raise UsageError(f"--from {name} holds no denoiser: give a shipped one, such as photo, or a best.safetensors")
    model = checkpoint.recipe.model
    name = name if found.card else str(found.safetensors.resolve())
    return Start(name, {"name": model.name, **model.options})


def choose(
    findings: Findings, name: str, files: str, start: Start | None = None, values: Mapping[str, Any] | None = None
) -> Recipe:
    """Return the recipe to train by, checked.

    Args:
        findings: what there is.
        name: the recipe's.
        files: where the list of files will be.
        start: the network to start from, or None to train from scratch.
        values: keys of the recipe to change, such as `{"train.minutes": 20}`.

    Raises:
        UsageError: if a value cannot be.
    """
    values = dict(values or {})
    if "data.path" in values:
        raise UsageError("--set data.path is where train writes its list of files: leave it out")
    if "train.epochs" in values:
        values.setdefault("train.minutes", 0.0)
    wanted = values.get("train.minutes")
    minutes = float(wanted) if isinstance(wanted, int | float) and wanted > 0 else MINUTES
    objective, loss = _objective(findings)
    tables: dict[str, Any] = {
        "name": name,
        "summary": f"Trained on {' and '.join(folder.name for folder in findings.sources.folders)}",
        "origin": {"title": "Chosen by Pellucid for these images", "assumed": found(findings)},
        "data": _data(findings, files, minutes),
        "model": start.model if start else _model(findings, minutes),
        "objective": objective,
        "loss": loss,
        "train": _train(findings, minutes, start),
        "evaluate": {"seeds": [0], "metrics": ["psnr", "ssim"]},
    }
    if findings.sources.kind == "clean":
        tables["noise"] = _noise(findings)
    recipe = Recipe.from_dict(tables).with_values(values | ({"train.start": start.name} if start else {}))
    recipe.check()
    return recipe


def _data(findings: Findings, files: str, minutes: float) -> dict[str, Any]:
    """Return the [data] table: patches enough for some epochs in the time there is, as far as the images give them."""
    patch = findings.patch
    area = patch * patch
    held = 1 if findings.sources.kind in ("clean", "noisy") else 2
    most = (
        PATCHES_A_MINUTE * minutes,
        MOST_PATCHES,
        OVERLAP * findings.area / area,
        MOST_BYTES / (area * findings.channels * {"uint8": 1, "uint16": 2, "float32": 4}[findings.dtype] * held),
    )
    crop = round(CROP * patch / 8) * 8 if patch >= CROPPED_FROM else 0
    # Turned by a quarter, noise that runs along rows would run along columns, where it never does.
    turn = findings.noise.axis not in ("rows", "columns")
    count = max(LEAST_PATCHES, round(min(most)))
    table = {"name": "listed", "path": files, "patch": patch, "num_patches": count, "crop": crop, "augment": turn}
    return table | ({"stretched": True} if findings.look.stretched else {})


def _model(findings: Findings, minutes: float) -> dict[str, Any]:
    few = minutes < FEW_MINUTES or findings.patch < LEAST_DEEP
    widths, blocks = ([16, 32, 64], 1) if few else ([16, 32, 64, 128], 2)
    condition = findings.sources.kind == "noisy" and _is_gaussian(findings)
    return {
        "name": "unet",
        "channels": findings.channels,
        "widths": widths,
        "blocks": blocks,
        "condition": condition,
    }


def _objective(findings: Findings) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the [objective] and [loss] tables.

    What is learnt towards noisy values takes the squared error, whose optimum is their mean, the clean value.
    """
    kind, noise = findings.sources.kind, findings.noise
    if kind in ("pairs", "clean"):
        return {"name": "supervised"}, {"name": "l1"}
    if kind == "takes":
        return {"name": "noise2noise"}, {"name": "mse"}
    if _is_gaussian(findings):
        return {"name": "recorrupted"}, {"name": "mse"}
    if noise.axis == "none":
        return {"name": "neighbor2neighbor"}, {"name": "mse"}
    across, down = (min(reach, MOST_REACH) for reach in noise.reach)
    struct = {"rows": [across, 0], "columns": [0, down]}.get(noise.axis, [min(across, 1), min(down, 1)])
    return {"name": "noise2void", "struct": struct}, {"name": "mse"}


def _is_gaussian(findings: Findings) -> bool:
    """Return whether noise is white, alike in dark and bright, and as strong as the noise-level network reads it.

    Then its level is known, which is all that learning from images that are corrupted once more takes.
    """
    noise = findings.noise
    flattest = (noise.dark + noise.bright) / 2
    return noise.axis == "none" and not noise.depends and AGREEING[0] * flattest < noise.level < AGREEING[1] * flattest


def _noise(findings: Findings) -> dict[str, Any]:
    """Return the [noise] table; files of whole numbers cannot hold what lies beyond black and white."""
    from pellucid.noise.add_noise import parse_noise_text

    return {**parse_noise_text(findings.sources.noise), "clip": findings.dtype != "float32", "fresh": True}


def _train(findings: Findings, minutes: float, start: Start | None) -> dict[str, Any]:
    return {
        "epochs": 1,
        "minutes": minutes,
        "batch_size": min(BATCH, max(1, findings.places)),
        "lr": 0.0005 if start else 0.002,
        "optimizer": "muon",
        "schedule": "cosine",
        "hold_fraction": 0.0 if start else 0.3,
        "warmup": 20,
        "gradient_clip": 0.5,
        "ema": 0.99 if minutes < FEW_MINUTES else 0.998,
    }
