"""The estimator keeps scikit-learn's promises, and denoises."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from pellucid.errors import PellucidError
from pellucid.estimator import DenoisingAutoencoder
from pellucid.train.step import TrainingStep


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    return images[:600], labels[:600], images[600:900], labels[600:900]


@pytest.fixture(scope="module")
def fitted(digits):
    denoiser = DenoisingAutoencoder(
        (32,),
        noise="gaussian(sigma=0.4)",
        clip=True,
        scaling="global",
        epochs=40,
        batch_size=64,
        lr=0.005,
        random_state=0,
    )
    return denoiser.fit(digits[0])


@parametrize_with_checks([DenoisingAutoencoder(epochs=3)])
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


def test_it_denoises_rows_in_their_own_range(digits, fitted):
    clean = digits[2]
    noisy = np.clip(clean + 6.4 * np.random.default_rng(0).standard_normal(clean.shape), 0, 16)
    denoised = fitted.transform(noisy)
    assert ((denoised - clean) ** 2).mean() < 0.5 * ((noisy - clean) ** 2).mean()
    assert list(fitted.get_feature_names_out()) == [f"x{index}" for index in range(64)]
    assert denoised.min() >= 0 and denoised.max() <= 16 and denoised.max() > 10


def test_codes_decode_to_the_denoised_rows(digits, fitted):
    codes = fitted.encode(digits[2])
    assert codes.shape == (300, 32) and codes.min() >= 0
    np.testing.assert_allclose(fitted.decode(codes), fitted.transform(digits[2]), rtol=1e-12)
    with pytest.raises(ValueError, match="codes are 31 wide: give the 32 values"):
        fitted.decode(codes[:, 1:])


def test_the_curve_is_the_mean_loss_over_all_rows(digits, monkeypatch):
    """Of 600 rows, the last batch of 256 holds 88: each counts as much as any other."""
    steps, taken = [], TrainingStep.__call__

    def recorded(step, batch):
        loss = taken(step, batch)
        steps.append((loss, len(batch.clean)))
        return loss

    monkeypatch.setattr(TrainingStep, "__call__", recorded)
    curve = DenoisingAutoencoder((8,), epochs=2, batch_size=256, lr=0.01, random_state=0).fit(digits[0]).loss_curve_
    assert [count for _, count in steps] == 2 * [256, 256, 88]
    for mean, losses in zip(curve, (steps[:3], steps[3:]), strict=True):
        assert mean == pytest.approx(sum(loss * count for loss, count in losses) / 600, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_floating_point_type_stays(digits, fitted, dtype):
    rows = digits[2][:5].astype(dtype)
    assert (
        fitted.transform(rows).dtype == fitted.encode(rows).dtype == fitted.decode(fitted.encode(rows)).dtype == dtype
    )


def test_the_seed_alone_decides(digits):
    def run(seed):
        torch.manual_seed(np.random.randint(1000))
        return DenoisingAutoencoder((8,), epochs=1, random_state=seed).fit(digits[0]).transform(digits[2])

    state = torch.get_rng_state()
    first = run(0)
    assert np.array_equal(first, run(0)) and not np.array_equal(first, run(1))
    torch.set_rng_state(state)
    DenoisingAutoencoder((8,), epochs=1, random_state=0).fit(digits[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_ranges_are_learned_per_feature_or_over_all():
    rows = np.random.default_rng(0).random((50, 3)) * [1, 100, 0] + [0, -50, 7]
    each, together = (DenoisingAutoencoder((4,), scaling=kind, epochs=1).fit(rows) for kind in ("feature", "global"))
    np.testing.assert_allclose(each.minimum_, rows.min(0))
    assert each.scale_[2] == 1
    assert together.minimum_ == rows.min() and together.scale_ == rows.max() - rows.min()
    with pytest.raises(ValueError, match="scaling='row' is unknown: choose one of feature, global"):
        DenoisingAutoencoder(scaling="row").fit(rows)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": 0}, "epochs == 0, must be > 0"),
        ({"batch_size": 0}, "batch_size == 0, must be > 0"),
        ({"lr": -1.0}, "lr == -1.0, must be > 0"),
        ({"widths": ()}, "widths"),
        ({"noise": "gaussian(sigma=-1)"}, "sigma"),
        ({"noise": "gausian"}, 'did you mean "gaussian"'),
        ({"loss": "bcee"}, 'did you mean "bce"'),
    ],
)
def test_a_wrong_parameter_is_named(digits, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DenoisingAutoencoder(**parameters).fit(digits[0][:20])


def test_a_loss_that_explodes_is_an_error(digits):
    with pytest.raises(PellucidError, match="the loss became nan in epoch 1: try a lower lr than"):
        DenoisingAutoencoder(lr=1e38, epochs=3).fit(digits[0])


def test_losses_and_noises_are_chosen_by_text(digits, capsys):
    chosen = DenoisingAutoencoder((16,), noise="masking(fraction=0.3)", loss="bce", epochs=4, verbose=True)
    chosen.fit(digits[0])
    assert chosen.loss_curve_[-1] < chosen.loss_curve_[0] and chosen.n_iter_ == 4
    assert capsys.readouterr().out.count("\n") == 4


def test_it_works_in_a_pipeline_a_search_and_a_pickle(digits):
    train, labels, test, test_labels = digits
    pipeline = make_pipeline(
        DenoisingAutoencoder((32,), scaling="global", epochs=20, lr=0.005, random_state=0),
        LogisticRegression(max_iter=1000),
    )
    search = GridSearchCV(clone(pipeline), {"denoisingautoencoder__noise": ["gaussian", "masking"]}, cv=2)
    assert np.mean(search.fit(train, labels).predict(test) == test_labels) > 0.7
    again = pickle.loads(pickle.dumps(pipeline.fit(train, labels)))
    assert np.array_equal(again.predict(test), pipeline.predict(test))


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn.base'] = None; import pellucid.estimator"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'PellucidError: DenoisingAutoencoder needs sklearn: pip install "pellucid[train]"' in done.stderr
