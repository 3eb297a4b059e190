"""Classifier of images of one size: a multilayer perceptron or a small convolutional network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from pellucid.input_spec import InputSpec
from pellucid.models.base import glorot, one_of, positive, positive_list


class Classifier(nn.Module):
    """Images (N, C, H, W) in [0, 1] to class logits (N, classes); Glorot-uniform weights and zero biases.

    Attributes:
        options: the constructor's arguments, all filled in, as JSON values; they rebuild the same network.
        input_spec: the images that it takes.
    """

    task: ClassVar[str] = "classify"
    has_skips: ClassVar[bool] = False

    def __init__(
        self,
        image: Sequence[int] = (1, 28, 28),
        kind: str = "mlp",
        widths: Sequence[int] | None = None,
        classes: int = 10,
    ) -> None:
        """Build the network.

        Args:
            image: (channels, height, width) of the only images that it takes.
            kind: `mlp` (linear layers with ReLU) or `cnn` (3x3 convolutions, each with ReLU and 2x2 max-pooling).
            widths: the hidden layers, or the channels of the convolutions; by default (256, 256) or (32, 64).
            classes: the number of classes.

        Raises:
            ValueError: for an option out of range.
        """
        super().__init__()
        shape = positive_list("image", image, length=3)
        one_of("kind", kind, ("mlp", "cnn"))
        default = (256, 256) if kind == "mlp" else (32, 64)
        hidden = positive_list("widths", default if widths is None else widths, minimum=0)
        self.options = {"image": shape, "kind": kind, "widths": hidden, "classes": positive("classes", classes)}
        self.input_spec = InputSpec(channels=(shape[0],), fixed_size=(shape[1], shape[2]))
        self.layers = _perceptron(shape, hidden, classes) if kind == "mlp" else _convolutional(shape, hidden, classes)
        glorot(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the class logits (N, classes), float32, of images (N, C, H, W)."""
        return self.layers(images).float()


def _perceptron(shape: list[int], widths: list[int], classes: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = [shape[0] * shape[1] * shape[2], *widths]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], classes))


def _convolutional(shape: list[int], widths: list[int], classes: int) -> nn.Sequential:
    channels, height, width = shape
    layers: list[nn.Module] = []
    for before, after in pairwise([channels, *widths]):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.MaxPool2d(2, ceil_mode=True), nn.ReLU()]
        height, width = (height + 1) // 2, (width + 1) // 2
    features = [channels, *widths][-1] * height * width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, classes))
