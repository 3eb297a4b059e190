"""evaluate --classifier: what a classifier reads before and after denoising."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import CommandOutput, pluralize
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.evaluate.downstream import DownstreamResult

DEFAULT = "photo"


def evaluate_classifier(
    output: CommandOutput,
    classifier: Path,
    images: Sequence[Path],
    model: str,
    noise: str | None,
    seeds: Sequence[int],
    limit: int,
) -> None:
    """Print the accuracy on the images in all versions, and give what was read in each as JSON.

    The noise is drawn anew for each seed, and the accuracy is the mean over them.

    Raises:
        UsageError: if no images are given, or they do not fit.
        PellucidError: as `pellucid.evaluate.classifiers` and `pellucid.evaluate.downstream`.
    """
    if not images:
        raise UsageError(f"--classifier {classifier} needs images to read: name a folder that holds a folder a class")

    from pellucid.evaluate.classifiers import load_classifier
    from pellucid.evaluate.downstream import classify_files, labeled_files

    files = labeled_files(images, limit)
    reader = load_classifier(classifier)
    draws: dict[int, DownstreamResult] = {}
    total = len(files) * len(seeds)
    with output.bar("read") as bar:

        def tell(ready: int, _: int) -> None:
            done = len(draws) * len(files) + ready
            bar(done, total, f"{done}/{total}")

        for seed in seeds:
            draws[seed] = classify_files(reader, files, model, noise, seed=seed, progress=tell)
    _show(output, list(draws.values()), model)
    told = {"classifier": str(classifier), "model": model, "noise": noise}
    output.write_json(told | _figures(draws, files))


def _show(output: CommandOutput, draws: "Sequence[DownstreamResult]", model: str) -> None:
    heads = ("", "accuracy", "images")
    right = {version: [int(found.is_correct(version).sum()) for found in draws] for version in draws[0].predictions}
    count = len(draws[0].labels)
    rows = [
        (
            version,
            f"{mean(counts) / count:.2%}",
            str(counts[0]) if len(draws) == 1 else f"{min(counts)} to {max(counts)}",
        )
        for version, counts in right.items()
    ]
    often = "" if len(draws) == 1 else f", with noise drawn {len(draws)} times"
    title = f"What the classifier reads right of {pluralize(count, 'image')}{often}, denoised by {Path(model).name}"
    output.print_table(heads, rows, title)
    set_right, spoilt = (sum(getattr(found, name) for found in draws) for name in ("set_right", "spoilt"))
    over = "" if len(draws) == 1 else ", of all draws together"
    output.print(f"denoising sets {pluralize(set_right, 'image')} right and spoils {spoilt}{over}")


def _figures(draws: "Mapping[int, DownstreamResult]", files: Sequence[tuple[Path, str]]) -> dict[str, Any]:
    per_seed = [
        {
            "seed": seed,
            "accuracy": found.accuracy,
            "set_right": found.fixed_by_denoising,
            "spoilt": found.broken_by_denoising,
        }
        for seed, found in draws.items()
    ]
    listed = [
        {"file": str(path), "class": name, "number": int(found.labels[place]), "seed": seed}
        | {version: int(read[place]) for version, read in found.predictions.items()}
        for seed, found in draws.items()
        for place, (path, name) in enumerate(files)
    ]
    first = next(iter(draws.values()))
    return {
        "accuracy": {
            version: mean(found.accuracy[version] for found in draws.values()) for version in first.predictions
        },
        "set_right": sum(found.fixed_by_denoising for found in draws.values()),
        "spoilt": sum(found.broken_by_denoising for found in draws.values()),
        "per_seed": per_seed,
        "images": listed,
    }
