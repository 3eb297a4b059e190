"""evaluate --classifier: what a classifier reads before and after denoising."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.console import Screen, counted
from pellucid.errors import UsageError

if TYPE_CHECKING:
    from pellucid.downstream import Downstream

DEFAULT = "photo"


def evaluate_classifier(
    screen: Screen,
    classifier: Path,
    images: Sequence[Path],
    model: str,
    noise: str | None,
    seed: int,
    limit: int,
) -> None:
    """Print the accuracy on the images in all versions, and give what was read in each as JSON.

    Raises:
        UsageError: if no images are given, or they do not fit.
        PellucidError: as `pellucid.classifiers` and `pellucid.downstream`.
    """
    if not images:
        raise UsageError(f"--classifier {classifier} needs images to read: name a folder that holds a folder a class")

    from pellucid.classifiers import load_classifier
    from pellucid.downstream import labelled_files, read_files

    files = labelled_files(images, limit)
    reader = load_classifier(classifier)
    with screen.bar("read") as bar:
        found = read_files(
            reader, files, model, noise, seed=seed, progress=lambda done, total: bar(done, total, f"{done}/{total}")
        )
    _show(screen, found, model)
    screen.give(_figures(found, files, classifier, model, noise))


def _show(screen: Screen, found: "Downstream", model: str) -> None:
    number = len(found.labels)
    rows = [(version, f"{share:.2%}", str(found.right(version).sum())) for version, share in found.accuracy.items()]
    title = f"What the classifier reads right of {counted(number, 'image')}, denoised by {Path(model).name}"
    screen.table(("", "accuracy", "images"), rows, title)
    screen.say(f"denoising sets {counted(found.set_right, 'image')} right and spoils {found.spoilt}")


def _figures(
    found: "Downstream", files: Sequence[tuple[Path, str]], classifier: Path, model: str, noise: str | None
) -> dict[str, Any]:
    listed = [
        {"file": str(path), "class": name, "number": int(found.labels[place])}
        | {version: int(read[place]) for version, read in found.read.items()}
        for place, (path, name) in enumerate(files)
    ]
    return {
        "classifier": str(classifier),
        "model": model,
        "noise": noise,
        "accuracy": found.accuracy,
        "set_right": found.set_right,
        "spoilt": found.spoilt,
        "images": listed,
    }
