"""pellucid evaluate --classifier: the accuracy of a classifier before and after denoising."""

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
    """Print the accuracy on all versions of the images, and write all predictions as JSON.

    Each seed gives other noise; the accuracy is the mean over the seeds.

    Raises:
        UsageError: if no images are given, or they do not fit.
        PellucidError: as `pellucid.evaluate.classifiers` and `pellucid.evaluate.downstream`.
    """
    if not images:
        raise UsageError(f"--classifier {classifier} needs images: name a folder with one folder per class")

    from pellucid.evaluate.classifiers import load_classifier
    from pellucid.evaluate.downstream import classify_files, labeled_files

    files = labeled_files(images, limit)
    model_of_classes = load_classifier(classifier)
    results: dict[int, DownstreamResult] = {}
    total = len(files) * len(seeds)
    with output.bar("read") as bar:

        def report_progress(num_done: int, _: int) -> None:
            done = len(results) * len(files) + num_done
            bar(done, total, f"{done}/{total}")

        for seed in seeds:
            results[seed] = classify_files(model_of_classes, files, model, noise, seed=seed, progress=report_progress)
    _print(output, list(results.values()), model)
    options = {"classifier": str(classifier), "model": model, "noise": noise}
    output.write_json(options | _to_json(results, files))


def _print(output: CommandOutput, results: "Sequence[DownstreamResult]", model: str) -> None:
    heads = ("", "accuracy", "images")
    num_correct = {
        version: [int(result.is_correct(version).sum()) for result in results] for version in results[0].predictions
    }
    total = len(results[0].labels)
    rows = [
        (
            version,
            f"{mean(counts) / total:.2%}",
            str(counts[0]) if len(results) == 1 else f"{min(counts)} to {max(counts)}",
        )
        for version, counts in num_correct.items()
    ]
    repeats = "" if len(results) == 1 else f", with noise of {len(results)} seeds"
    title = f"Accuracy of the classifier on {pluralize(total, 'image')}{repeats}, denoised by {Path(model).name}"
    output.print_table(heads, rows, title)
    fixed = sum(result.fixed_by_denoising for result in results)
    broken = sum(result.broken_by_denoising for result in results)
    scope = "" if len(results) == 1 else ", over all seeds"
    output.print(f"denoising corrects the class of {pluralize(fixed, 'image')} and breaks that of {broken}{scope}")


def _to_json(results: "Mapping[int, DownstreamResult]", files: Sequence[tuple[Path, str]]) -> dict[str, Any]:
    per_seed = [
        {
            "seed": seed,
            "accuracy": result.accuracy,
            "fixed_by_denoising": result.fixed_by_denoising,
            "broken_by_denoising": result.broken_by_denoising,
        }
        for seed, result in results.items()
    ]
    images = [
        {"file": str(path), "class": name, "number": int(result.labels[index]), "seed": seed}
        | {version: int(predicted[index]) for version, predicted in result.predictions.items()}
        for seed, result in results.items()
        for index, (path, name) in enumerate(files)
    ]
    first = next(iter(results.values()))
    return {
        "accuracy": {
            version: mean(result.accuracy[version] for result in results.values()) for version in first.predictions
        },
        "fixed_by_denoising": sum(result.fixed_by_denoising for result in results.values()),
        "broken_by_denoising": sum(result.broken_by_denoising for result in results.values()),
        "per_seed": per_seed,
        "images": images,
    }
