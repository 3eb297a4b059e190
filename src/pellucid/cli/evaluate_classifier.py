"""evaluate --classifier: what a classifier reads before and after denoising."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import Screen, counted
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.evaluate.downstream import Downstream

DEFAULT = "photo"


def evaluate_classifier(
    screen: Screen,
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
    from pellucid.evaluate.downstream import labelled_files, read_files

    files = labelled_files(images, limit)
    reader = load_classifier(classifier)
    draws: dict[int, Downstream] = {}
    total = len(files) * len(seeds)
    with screen.bar("read") as bar:

        def tell(ready: int, _: int) -> None:
            done = len(draws) * len(files) + ready
            bar(done, total, f"{done}/{total}")

        for seed in seeds:
            draws[seed] = read_files(reader, files, model, noise, seed=seed, progress=tell)
    _show(screen, list(draws.values()), model)
    told = {"classifier": str(classifier), "model": model, "noise": noise}
    screen.give(told | _figures(draws, files))


def _show(screen: Screen, draws: "Sequence[Downstream]", model: str) -> None:
    heads = ("", "accuracy", "images")
    right = {version: [int(found.right(version).sum()) for found in draws] for version in draws[0].read}
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
    title = f"What the classifier reads right of {counted(count, 'image')}{often}, denoised by {Path(model).name}"
    screen.table(heads, rows, title)
    set_right, spoilt = (sum(getattr(found, name) for found in draws) for name in ("set_right", "spoilt"))
    over = "" if len(draws) == 1 else ", of all draws together"
    screen.say(f"denoising sets {counted(set_right, 'image')} right and spoils {spoilt}{over}")


def _figures(draws: "Mapping[int, Downstream]", files: Sequence[tuple[Path, str]]) -> dict[str, Any]:
    per_seed = [
        {"seed": seed, "accuracy": found.accuracy, "set_right": found.set_right, "spoilt": found.spoilt}
        for seed, found in draws.items()
    ]
    listed = [
        {"file": str(path), "class": name, "number": int(found.labels[place]), "seed": seed}
        | {version: int(read[place]) for version, read in found.read.items()}
        for seed, found in draws.items()
        for place, (path, name) in enumerate(files)
    ]
    first = next(iter(draws.values()))
    return {
        "accuracy": {version: mean(found.accuracy[version] for found in draws.values()) for version in first.read},
        "set_right": sum(found.set_right for found in draws.values()),
        "spoilt": sum(found.spoilt for found in draws.values()),
        "per_seed": per_seed,
        "images": listed,
    }
