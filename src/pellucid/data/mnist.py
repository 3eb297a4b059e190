"""Handwritten digits, 60,000 + 10,000, 28x28 gray (LeCun, Cortes, Burges)."""

from dataclasses import dataclass
from typing import ClassVar

from pellucid.data.idx import IdxImages


@dataclass(frozen=True)
class MNIST(IdxImages):
    """MNIST from its four idx files: LeCun et al., "Gradient-based learning applied to document recognition", 1998."""

    name: ClassVar[str] = "mnist"
    folder: ClassVar[str] = "mnist"
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
