"""What every engine offers."""

from pathlib import Path
from typing import ClassVar, Literal, Protocol

import numpy as np

from pellucid.input_spec import InputSpec

Precision = Literal["fp32", "bf16"]


class Engine(Protocol):
    """A denoising network, loaded and ready.

    Attributes:
        name: its name in the registry.
        library: the library that it needs.
        extra: the extra that installs the library; empty if every install has it.
        startup: about how many seconds the library takes to load: the least is taken where speed does not decide.
        reads: the suffix of the files that it runs.
        precisions: those that it offers.
        input_spec: the images that the network takes.
        conditional: whether the network takes a noise level.
        precision: the one that it computes in.
    """

    name: ClassVar[str]
    library: ClassVar[str]
    extra: ClassVar[str]
    startup: ClassVar[float]
    reads: ClassVar[str]
    precisions: ClassVar[tuple[Precision, ...]]
    input_spec: InputSpec
    conditional: bool
    precision: Precision

    def __init__(self, path: Path, threads: int, precision: Precision, sha256: str | None = None) -> None:
        """Load a network from its file; it then runs on `threads` threads.

        Raises:
            PellucidError: if the library is not installed, or the file is broken, or not the one that `sha256` says.
        """
        ...

    def __call__(self, noisy: np.ndarray, sigma: np.ndarray | None = None) -> np.ndarray:
        """Denoise a batch.

        Args:
            noisy: (N, C, H, W), float32, white being 1; height and width multiples of `input_spec.multiple_of`.
            sigma: the noise level of each image (N,), in [0, 1] units; None counts as 0. A network without a level
                input takes no notice of it.

        Returns:
            (N, C, H, W), float32.

        Raises:
            PellucidError: if the memory does not suffice.
        """
        ...
