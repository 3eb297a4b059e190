"""The predictions of a classifier before and after denoising."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.errors import PellucidError, UsageError
from pellucid.evaluate.classifiers import FileClassifier
from pellucid.evaluate.downstream import (
    DownstreamResult,
    accuracy_before_and_after,
    class_numbers,
    classify_files,
    labeled_files,
)
from pellucid.image import write_image
from pellucid.inference.denoiser import Denoiser

LABELS = np.array([0, 1, 0, 1])


@pytest.fixture
def images():
    """Four flat images, the odd ones bright, (4, 8, 8) uint8."""
    return np.broadcast_to(np.array([40, 200, 60, 220], np.uint8)[:, None, None], (4, 8, 8)).copy()


def bright(images):
    """Classify by the first pixel only, which noise can change."""
    middle = 0.5 if images.dtype.kind == "f" else 127
    return (images.reshape(len(images), -1)[:, 0] > middle).astype(int)


def flattened(images):
    """A perfect denoiser: the mean of each image."""
    means = images.reshape(len(images), -1).mean(axis=1, dtype=float)
    return np.broadcast_to(means.reshape(-1, *(1 for _ in images.shape[1:])), images.shape).astype(images.dtype)


def knowing(*classes):
    return FileClassifier(Path("reader.onnx"), lambda images: images, classes)


def test_fixed_and_broken_predictions_are_counted():
    labels = np.array([0, 0, 1, 1, 1])
    read = {"clean": labels, "noisy": np.array([0, 1, 0, 1, 1]), "denoised": np.array([0, 0, 1, 0, 1])}
    found = DownstreamResult(labels, read)
    assert found.accuracy == {"clean": 1.0, "noisy": 0.6, "denoised": 0.8}
    assert (found.fixed_by_denoising, found.broken_by_denoising) == (2, 1)
    unchanged = DownstreamResult(labels, {"input": read["noisy"], "denoised": read["denoised"]})
    assert (unchanged.fixed_by_denoising, unchanged.broken_by_denoising) == (2, 1)


def test_noise_is_added_and_removed(images):
    many, labels = np.tile(images, (8, 1, 1)), np.tile(LABELS, 8)
    found = accuracy_before_and_after(bright, many, labels, flattened, "salt_pepper(fraction=1)")
    assert list(found.accuracy) == ["clean", "noisy", "denoised"]
    assert found.accuracy["clean"] == 1 and 0.1 < found.accuracy["noisy"] < 0.9
    again = accuracy_before_and_after(bright, many, labels, flattened, "salt_pepper(fraction=1)")
    assert all(np.array_equal(found.predictions[version], again.predictions[version]) for version in found.predictions)
    weak = accuracy_before_and_after(bright, images, LABELS, flattened, "gaussian(sigma=30)", seed=1)
    assert weak.accuracy["denoised"] == 1


def test_without_noise_images_are_classified_unchanged(images):
    images[0, 0, 0] = 255
    found = accuracy_before_and_after(bright, images, LABELS, flattened)
    assert found.accuracy == {"input": 0.75, "denoised": 1.0} and found.fixed_by_denoising == 1


def test_images_reach_the_classifier_unchanged(images):
    seen = []

    def classify(images):
        seen.append((images.shape, images.dtype))
        return np.eye(2)[bright(images)]

    for stack, axis in ((images, None), (np.stack([images] * 3, -1), -1), (images[:, None] / np.float32(255), 1)):
        found = accuracy_before_and_after(classify, stack, LABELS, flattened, "gaussian(sigma=5)", channel_axis=axis)
        assert found.accuracy["clean"] == 1
        assert set(seen) == {(stack.shape, stack.dtype)}
        seen.clear()


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_an_estimator_gets_rows_in_their_own_range(images, method):
    class Estimator:
        classes_ = ("dark", "bright")

    def answer(self, rows):
        assert rows.shape == (4, 64) and rows.max() > 1
        return np.array(Estimator.classes_)[bright(rows)] if method == "predict" else np.eye(2)[bright(rows)]

    setattr(Estimator, method, answer)
    names = np.array(Estimator.classes_)[LABELS]
    assert accuracy_before_and_after(Estimator(), images, names, flattened).accuracy == {"input": 1, "denoised": 1}


def test_a_denoiser_gets_the_data_range_and_sigma(images, exported):
    denoiser = Denoiser.load(exported, threads=1)
    seen = []

    def classify(images):
        seen.append(images)
        return bright(images)

    accuracy_before_and_after(classify, images, LABELS, denoiser, sigma=0.1)
    np.testing.assert_array_equal(seen[1], denoiser(images, 0.1))
    seen.clear()
    large = np.random.default_rng(0).integers(0, 255, (2, 70, 66, 3), np.uint8)
    accuracy_before_and_after(classify, large, LABELS[:2], denoiser, sigma=0.1, channel_axis=-1)
    np.testing.assert_array_equal(seen[1][1], denoiser(large[1], 0.1, channel_axis=-1))
    accuracy_before_and_after(classify, large.transpose(0, 3, 1, 2), LABELS[:2], denoiser, sigma=0.1, channel_axis=1)
    np.testing.assert_array_equal(seen[3].transpose(0, 2, 3, 1), seen[1])


@pytest.mark.parametrize(
    ("classifier", "labels", "message"),
    [
        (bright, LABELS[:3], r"4 images have labels of shape \(3,\): give one label for each image"),
        (lambda images: np.zeros(3), LABELS, r"the classifier returned \(3,\) for 4 images"),
        (3, LABELS, "int is no classifier: give a function, an estimator, or a file's path"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(images, classifier, labels, message):
    with pytest.raises(UsageError, match=message):
        accuracy_before_and_after(classifier, images, labels, flattened)


def test_a_pickle_is_refused_in_python_too(images, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(PellucidError, match="is a pickle, which is never loaded"):
        accuracy_before_and_after(tmp_path / "model.pkl", images, LABELS, flattened)


@pytest.mark.parametrize(
    ("names", "classes", "outputs", "numbers"),
    [
        (["b", "a"], ("a", "b", "c"), 3, [1, 0]),
        (["2", "0"], ("a", "b", "c"), 3, [2, 0]),
        (["1", "0"], ("0", "1"), 2, [1, 0]),
        (["07", "3"], (), 10, [7, 3]),
        (["cat", "ant", "cat"], (), 2, [1, 0, 1]),
    ],
)
def test_folders_are_classes_by_name_by_number_or_by_their_order(names, classes, outputs, numbers):
    assert class_numbers(names, knowing(*classes), outputs).tolist() == numbers


@pytest.mark.parametrize(
    ("names", "classes", "outputs", "message"),
    [
        (["cat", "dgo"], ("cat", "dog"), 2, 'the folder "dgo" is no class of .* (did you mean "dog"?)'),
        (["1", "10"], (), 10, 'a folder is called "10", .* has classes 0 to 9'),
        (["a", "b", "c"], (), 2, "has 2 scores and no names for them, the images 3 classes (a, b, c): name each"),
        (["a", "b"], (), 0, "has no scores and no names"),
    ],
)
def test_folders_that_are_no_classes_are_named(names, classes, outputs, message):
    with pytest.raises(UsageError) as refusal:
        class_numbers(names, knowing(*classes), outputs)
    for part in message.split(" .* "):
        assert part in str(refusal.value)


@pytest.fixture
def folder(tmp_path):
    """Three dark and three bright images in folders 0 and 1, one of them of another size."""
    for number in range(6):
        place = tmp_path / "by-class" / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        side = 9 if number == 5 else 8
        write_image(place / f"{number}.png", np.full((side, side), 40 + 170 * (number % 2), np.uint8))
    return tmp_path / "by-class"


def test_files_are_labeled_by_their_folders(folder, monkeypatch):
    found = labeled_files([folder])
    assert [(path.name, name) for path, name in found] == [
        ("0.png", "0"),
        ("2.png", "0"),
        ("4.png", "0"),
        ("1.png", "1"),
        ("3.png", "1"),
        ("5.png", "1"),
    ]
    assert labeled_files([folder / "0", folder / "1"]) == found
    monkeypatch.chdir(folder / "1")
    assert [name for _, name in labeled_files([Path("3.png"), Path()])] == ["1"] * 4
    assert [name for _, name in labeled_files([folder], limit=4)] == ["0", "0", "1", "1"]


def test_files_are_read_in_stacks_of_one_size(folder):
    shapes, progress = [], []

    def answer(images):
        shapes.append(images.shape)
        return np.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], axis=1)

    classifier = FileClassifier(folder, answer)
    found = classify_files(
        classifier, labeled_files([folder]), flattened, "gaussian(sigma=10)", progress=lambda *now: progress.append(now)
    )
    assert found.accuracy == {"clean": 1, "noisy": 1, "denoised": 1}
    assert set(shapes) == {(5, 1, 8, 8), (1, 1, 9, 9)}
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_file_that_does_not_fit_is_named(folder):
    def answer(images):
        raise UsageError("the images are 1x8x8, a.onnx takes 3x8x8: resize or convert them")

    with pytest.raises(UsageError, match=r"0.png: the images are 1x8x8"):
        classify_files(FileClassifier(folder, answer), labeled_files([folder]), flattened)
