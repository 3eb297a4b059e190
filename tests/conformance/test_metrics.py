"""What every metric keeps to, whichever files there are."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid import registry
from pellucid.errors import UsageError

METRICS = {name: registry.load("metric", name) for name in registry.names("metric")}
IMAGE = [name for name, kind in METRICS.items() if kind.kind == "image"]
LABEL = [name for name, kind in METRICS.items() if kind.kind == "label"]
TEXT = [name for name, kind in METRICS.items() if kind.kind == "text"]
every_metric = pytest.mark.parametrize("name", METRICS)
every_image_metric = pytest.mark.parametrize("name", IMAGE)
every_label_metric = pytest.mark.parametrize("name", LABEL)
every_text_metric = pytest.mark.parametrize("name", TEXT)
shapes = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 17), st.integers(1, 17))


def random_pair(shape, seed=0):
    return np.random.default_rng(seed).random((2, *shape))


@every_metric
def test_is_a_frozen_dataclass_that_says_what_it_is(name):
    metric = METRICS[name]()
    assert dataclasses.is_dataclass(METRICS[name])
    with pytest.raises(dataclasses.FrozenInstanceError):
        metric.kind = "other"
    assert metric.kind in ("image", "label", "text") and isinstance(metric.higher_is_better, bool)
    assert isinstance(metric.ideal, float)
    assert registry.summary("metric", name)


@every_image_metric
@given(shape=shapes, seed=st.integers(0, 2**31), dtype=st.sampled_from([np.float32, np.float64, np.uint8]))
def test_gives_one_value_an_image_and_leaves_its_input_alone(name, shape, seed, dtype):
    rng = np.random.default_rng(seed)
    image, reference = (rng.random((2, *shape)) * 200).astype(dtype)
    before = image.copy(), reference.copy()
    values = METRICS[name]()(image, reference, data_range=200)
    assert values.shape == shape[:1] and values.dtype == np.float64 and not np.isnan(values).any()
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(reference, before[1])


@every_image_metric
@given(shape=shapes, seed=st.integers(0, 2**31))
def test_a_perfect_image_gets_the_ideal_value(name, shape, seed):
    image, _ = random_pair(shape, seed)
    np.testing.assert_allclose(METRICS[name]()(image, image), METRICS[name].ideal, rtol=1e-6)


@every_image_metric
def test_each_image_is_judged_alone(name):
    image, reference = random_pair((6, 2, 13, 16))
    metric = METRICS[name]()
    alone = [metric(image[index : index + 1], reference[index : index + 1])[0] for index in range(6)]
    np.testing.assert_allclose(metric(image, reference), alone, rtol=1e-6)


@every_image_metric
def test_images_and_data_range_scale_together(name):
    image, reference = random_pair((3, 1, 16, 16))
    metric = METRICS[name]()
    np.testing.assert_allclose(metric(255 * image, 255 * reference, data_range=255), metric(image, reference))


@every_image_metric
def test_more_noise_is_never_nearer_to_the_ideal(name):
    rng = np.random.default_rng(0)
    clean = np.kron(rng.random((8, 1, 4, 4)), np.ones((1, 1, 7, 7)))
    error = rng.standard_normal(clean.shape)
    metric, ideal = METRICS[name](), min(METRICS[name].ideal, 1e9)
    little, much = (np.abs(metric(clean + sigma * error, clean) - ideal).mean() for sigma in (0.1, 0.3))
    assert little <= much * (1 + 1e-9)


@every_image_metric
def test_no_images_give_no_values(name):
    assert METRICS[name]()(np.empty((0, 1, 8, 8)), np.empty((0, 1, 8, 8))).shape == (0,)


@every_image_metric
@pytest.mark.parametrize("shapes", [((2, 1, 8, 8), (2, 1, 8, 9)), ((8, 8), (8, 8)), ((1, 1, 0, 8), (1, 1, 0, 8))])
def test_refuses_shapes_that_do_not_fit_and_names_them(name, shapes):
    with pytest.raises(UsageError, match=r"\(N, C, H, W\), got \(.*\) and \("):
        METRICS[name]()(np.zeros(shapes[0]), np.zeros(shapes[1]))


@every_label_metric
def test_label_metrics_give_the_ideal_value_to_a_sure_and_right_answer(name):
    labels = np.array([2, 0, 1])
    values = METRICS[name]()(np.eye(3, dtype=np.float32)[labels], labels)
    assert values.shape == (3,) and values.dtype == np.float64
    np.testing.assert_array_equal(values, METRICS[name].ideal)


@every_label_metric
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1]), r"\(3, 4\) and \(2,\)"),
        (np.array([0.0, 1.0, 2.0]), "float64"),
        (np.array([0, 1, 4]), "0 to 4"),
        (np.array([-1, 1, 3]), "-1 to 3"),
    ],
)
def test_label_metrics_refuse_labels_that_do_not_fit(name, labels, message):
    with pytest.raises(UsageError, match=message):
        METRICS[name]()(np.full((3, 4), 0.25), labels)


@every_text_metric
@given(texts=st.lists(st.text(), max_size=4))
def test_text_metrics_give_the_ideal_value_to_the_reference_itself(name, texts):
    values = METRICS[name]()(texts, texts)
    assert values.shape == (len(texts),) and values.dtype == np.float64
    np.testing.assert_array_equal(values, METRICS[name].ideal)


@every_text_metric
def test_each_text_is_judged_alone_and_worse_ones_are_further_from_the_ideal(name):
    references = ["one two three four"] * 3
    near, far, empty = METRICS[name]()(["one two three for", "won tw tree", ""], references)
    assert METRICS[name].ideal < near < far <= empty
    np.testing.assert_array_equal(METRICS[name]()(["won tw tree"], references[:1]), [far])


@every_text_metric
@pytest.mark.parametrize(("texts", "references"), [(["a"], ["a", "b"]), ("text", "text"), ([None], ["a"])])
def test_text_metrics_refuse_what_are_not_as_many_texts(name, texts, references):
    with pytest.raises(UsageError, match=r"a list of texts|is no text"):
        METRICS[name]()(texts, references)
