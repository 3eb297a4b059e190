"""Clothes, 60,000 + 10,000, 28x28 gray (Zalando)."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pellucid.data.idx import IdxImages


@dataclass(frozen=True)
class FashionMNIST(IdxImages):
    """Fashion-MNIST from its four idx files, or from Debian's package: Xiao, Rasul, Vollgraf, arXiv 1708.07747."""

    name: ClassVar[str] = "fashion_mnist"
    folder: ClassVar[str] = "fashion-mnist"
    system_folders: ClassVar[tuple[Path, ...]] = (
        Path("/usr/share/dataset-fashion-mnist"),
        Path("/usr/share/datasets/fashion-mnist"),
    )
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
