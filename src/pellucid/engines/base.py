"""The interface of every engine."""

from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np

from pellucid.input_spec import InputSpec

Precision = Literal["fp32", "bf16"]


class Network(Protocol):
    """A denoising network that is loaded and ready.

    Attributes:
        name: the library that runs it.
        precision: the precision of the computation.
        input_spec: the images that it accepts.
        conditional: whether it takes a noise level.
    """

    name: ClassVar[str]
    precision: Precision
    input_spec: InputSpec
    conditional: bool

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch.

        Args:
            noisy: (N, C, H, W), float32 with white at 1; height and width are multiples of `input_spec.multiple_of`.
            sigma: the noise level of each image (N,), in [0, 1] units; None counts as 0. Networks that are not
                conditional ignore it.

        Returns:
            (N, C, H, W), float32.

        Raises:
            PellucidError: if there is not enough memory.
        """
        ...


class Engine(Network, Protocol):
    """A library that loads networks from files.

    Attributes:
        name: the name of the engine in the registry.
        library: the Python package that it needs.
        extra: the extra that installs the package; empty if every installation has it.
        startup: about how many seconds the package takes to load; the least decides if speed does not matter.
        reads: the suffix of the files that it runs.
        precisions: the precisions that it can compute in.
    """

    library: ClassVar[str]
    extra: ClassVar[str]
    startup: ClassVar[float]
    reads: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]

    def __init__(self, path: Path, threads: int, precision: Precision, sha256: str | None = None) -> None:
        """Load a network from its file, to run on `threads` threads.

        Raises:
            PellucidError: if the library is not installed, or the file is damaged or does not have this `sha256`.
        """
        ...
