"""Denoising as a scikit-learn transformer: a dense autoencoder over the features, trained on synthetic noise."""

import copy
import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from pellucid import registry
from pellucid.errors import PellucidError
from pellucid.models.dense import Dense
from pellucid.objectives.supervised import Supervised
from pellucid.recipes.recipe import Train
from pellucid.train.batches import NoisyImages, SyntheticNoise
from pellucid.train.malloc import keep_freed_memory
from pellucid.train.step import TrainingStep, make_optimizer
from pellucid.utils.device import resolve_device
from pellucid.utils.optional_imports import import_optional
from pellucid.utils.seeding import make_generator

SCALINGS = ("feature", "global")
DEVICES = ("auto", "cpu", "cuda", "mps")
_base = import_optional("sklearn.base", "train", "DenoisingAutoencoder")
_validation = import_optional("sklearn.utils.validation", "train", "DenoisingAutoencoder")


class DenoisingAutoencoder(_base.OneToOneFeatureMixin, _base.TransformerMixin, _base.BaseEstimator):
    """A dense denoising autoencoder (Vincent et al. 2008) for rows of features, such as flattened images.

    `fit` takes clean rows, learns their range, adds noise to them and trains the network to remove it; `transform`
    denoises rows, in their range and floating-point type; `encode` returns their codes.

    Args:
        widths: the sizes of the encoder's layers; the last is the size of the code. The decoder mirrors them.
        noise: a noise model as text, such as "gaussian(sigma=0.1)" or "masking(fraction=0.3)"; its sigma is in units
            of the range.
        clip: whether noisy values are clipped to the range, as those of images are.
        loss: a loss as text, such as "mse", "l1", "bce" or "charbonnier(epsilon=0.01)".
        scaling: "feature" learns a range for every feature, "global" one for all, as pixels have.
        epochs: passes over the rows.
        batch_size: rows per step.
        lr: Adam's learning rate.
        random_state: the seed, a NumPy RandomState, or None for another result every time.
        device: where to train: "cpu", "cuda", "mps", or "auto" for a CUDA GPU where there is one. The trained network
            runs on the CPU.
        verbose: whether to print the loss of every epoch.

    Attributes:
        model_: the trained network; it takes rows as images (N, 1, 1, n_features) in [0, 1].
        minimum_, scale_: they map rows to [0, 1]: `(X - minimum_) / scale_`; a constant feature has the scale 1.
        loss_curve_: the mean training loss of each epoch.
        n_iter_: the number of epochs.
        n_features_in_, feature_names_in_: as in every scikit-learn estimator.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> images, _ = load_digits(return_X_y=True)
        >>> denoiser = DenoisingAutoencoder(widths=(32,), epochs=2, scaling="global", random_state=0).fit(images)
        >>> denoiser.transform(images[:5]).shape, denoiser.encode(images[:5]).shape
        ((5, 64), (5, 32))
    """

    def __init__(
        self,
        widths: Sequence[int] = (64,),
        *,
        noise: str = "gaussian(sigma=0.1)",
        clip: bool = False,
        loss: str = "mse",
        scaling: str = "feature",
        epochs: int = 20,
        batch_size: int = 128,
        lr: float = 0.001,
        random_state: Any = None,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        """Keep the parameters; `fit` checks them."""
        self.widths = widths
        self.noise = noise
        self.clip = clip
        self.loss = loss
        self.scaling = scaling
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "DenoisingAutoencoder":
        """Train on clean rows X (n_samples, n_features); y is not used.

        Raises:
            ValueError: for a parameter out of range, naming it, or for rows that are not finite numbers.
        """
        self._check_parameters()
        rows = _validation.validate_data(self, X, dtype=(np.float64, np.float32))
        axis = 0 if self.scaling == "feature" else None
        self.minimum_ = rows.min(axis=axis)
        extent = rows.max(axis=axis) - self.minimum_
        self.scale_ = np.where(extent > 0, extent, 1).astype(rows.dtype)
        seed = int(_validation.check_random_state(self.random_state).randint(2**31))
        options = {"image": (1, 1, rows.shape[1]), "widths": list(self.widths)}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model_ = registry.build("model", "dense", options)
        noise = registry.build("noise", *registry.parse(self.noise))
        images = SyntheticNoise(self._scaled(rows).float(), noise=noise, clip=self.clip, data_range=1.0)
        self.model_.to(resolve_device(self.device))
        with keep_freed_memory():
            self.loss_curve_ = self._train(images, seed)
        self.n_iter_ = len(self.loss_curve_)
        self.model_.cpu().eval()
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the rows X (n_samples, n_features) denoised, in their range: float32 if X is, otherwise float64."""
        noisy, model = self._input(X)
        with torch.inference_mode():
            codes = model.encode(noisy)
        return self._decoded(model, codes)

    def encode(self, X: Any) -> np.ndarray:
        """Return the codes (n_samples, widths[-1]) of the rows X, 0 or more, in the type of `transform`."""
        noisy, model = self._input(X)
        with torch.inference_mode():
            return model.encode(noisy).numpy()

    def decode(self, codes: Any) -> np.ndarray:
        """Return the rows (n_samples, n_features) of codes: `decode(encode(X))` is `transform(X)`.

        Raises:
            ValueError: if the codes are not finite numbers or have another width.
        """
        _validation.check_is_fitted(self)
        values = _validation.check_array(codes, dtype=(np.float64, np.float32))
        width = self.model_.options["widths"][-1]
        if values.shape[1] != width:
            raise ValueError(f"codes are {values.shape[1]} wide: give the {width} values a row that encode returns")
        return self._decoded(self._network(values.dtype), torch.from_numpy(values))

    def __sklearn_tags__(self) -> Any:
        """Return the tags, with the dtypes that `transform` keeps."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check_parameters(self) -> None:
        for name, kind in (("epochs", Integral), ("batch_size", Integral), ("lr", Real)):
            boundaries = {"min_val": 0, "include_boundaries": "neither"}
            _validation.check_scalar(getattr(self, name), name, kind, **boundaries)
        if self.scaling not in SCALINGS:
            raise ValueError(f"scaling={self.scaling!r} is unknown: choose one of {', '.join(SCALINGS)}")
        if self.device not in DEVICES:
            raise ValueError(f"device={self.device!r} is unknown: choose one of {', '.join(DEVICES)}")

    def _train(self, images: NoisyImages, seed: int) -> list[float]:
        """Train the network and return the mean loss of each epoch."""
        options = Train(self.epochs, self.batch_size, self.lr)
        loss = registry.build("loss", *registry.parse(self.loss))
        step = TrainingStep(self.model_.train(), make_optimizer(self.model_, options), Supervised(), loss)
        curve = []
        num_steps = 0
        for epoch in range(self.epochs):
            total = 0.0
            order = torch.randperm(len(images), generator=make_generator(seed, "order", epoch))
            for index in order.split(self.batch_size):
                generator = make_generator(seed, "noise", num_steps, device=step.device)
                total += step(images.batch(index, generator)) * len(index)
                num_steps += 1
            curve.append(total / len(images))
            if not math.isfinite(curve[-1]):
                raise PellucidError(f"the loss became {curve[-1]} in epoch {epoch + 1}: try a lower lr than {self.lr}")
            if self.verbose:
                print(f"epoch {epoch + 1}/{self.epochs}: loss {curve[-1]:.5f}")
        return curve

    def _input(self, X: Any) -> tuple[torch.Tensor, Dense]:
        """Return checked rows as the network's images, and the network in their precision."""
        _validation.check_is_fitted(self)
        rows = _validation.validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return self._scaled(rows), self._network(rows.dtype)

    def _scaled(self, rows: np.ndarray) -> torch.Tensor:
        """Return rows as images (n_samples, 1, 1, n_features) with the range at [0, 1]."""
        scaled = (rows - self.minimum_.astype(rows.dtype)) / self.scale_.astype(rows.dtype)
        return torch.from_numpy(scaled)[:, None, None]

    def _network(self, dtype: np.dtype) -> Dense:
        return self.model_ if dtype == np.float32 else copy.deepcopy(self.model_).double()

    def _decoded(self, model: Dense, codes: torch.Tensor) -> np.ndarray:
        # The network's own activation is in float32, whose rounding would make a row depend on the size of its batch.
        with torch.inference_mode():
            unit = torch.sigmoid(model.decode(codes)).flatten(1).numpy()
        return unit * self.scale_.astype(unit.dtype) + self.minimum_.astype(unit.dtype)
