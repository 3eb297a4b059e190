"""The base class of denoising networks, and checks of the options of networks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pellucid.input_spec import InputSpec

OUTPUTS = ("sigmoid", "relu", "none")


class Model(nn.Module):
    """A denoising network: noisy images (N, C, H, W), float32 in [0, 1], to denoised ones of the same shape.

    Attributes:
        options: the constructor's arguments, all filled in, as JSON values; they rebuild the same network.
        input_spec: the images that it takes.
        output: the activation after the logits, one of `OUTPUTS`.
        has_skips: whether the code is a pair (code, [skips]); such a code is not a compressed image.
    """

    task: ClassVar[str] = "denoise"
    has_skips: ClassVar[bool] = False

    def __init__(self, options: dict[str, Any], input_spec: InputSpec, output: str) -> None:
        """Keep the options, the spec and the output activation; raises ValueError for an unknown activation."""
        super().__init__()
        self.options = options
        self.input_spec = input_spec
        self.output = one_of("output", output, OUTPUTS)

    def encode(self, noisy: Tensor, sigma: Tensor | None = None) -> Any:
        """Return the code of noisy images (N, C, H, W): a tensor, or with skips (code, [skips])."""
        raise NotImplementedError

    def decode(self, code: Any, size: tuple[int, int]) -> Tensor:
        """Return the logits (N, C, H, W), before the output activation, of a code of images sized (H, W)."""
        raise NotImplementedError

    def logits(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return the output before its activation, (N, C, H, W); bfloat16 under autocast."""
        return self.decode(self.encode(noisy, sigma), (noisy.shape[-2], noisy.shape[-1]))

    def forward(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return denoised images (N, C, H, W), float32; `sigma` is the noise level (N,) or a map (N, 1, H, W)."""
        return self.activate(self.logits(noisy, sigma))

    def activate(self, logits: Tensor) -> Tensor:
        """Apply the output activation in float32."""
        logits = logits.float()
        if self.output == "sigmoid":
            return torch.sigmoid(logits)
        return torch.relu(logits) if self.output == "relu" else logits


def is_conditional(network: Any) -> bool:
    """Return whether a network is conditioned on the noise level."""
    return bool(network.options.get("condition", False))


def glorot(module: nn.Module) -> None:
    """Sample weights from the Glorot uniform distribution and zero the biases, as Keras does (Glorot & Bengio 2010)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """Return `value`, or raise ValueError naming the option and the choices."""
    if value not in choices:
        raise ValueError(f"{name} = {value!r} is unknown: choose one of {', '.join(choices)}")
    return value


def positive(name: str, value: int) -> int:
    """Return `value` if it is a whole number of at least 1, or raise ValueError naming the option."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} = {value!r} must be a whole number of at least 1")
    return value


def positive_list(name: str, values: Sequence[int], minimum: int = 1, length: int | None = None) -> list[int]:
    """Return `values` as a list of whole numbers of at least 1, or raise ValueError naming the option.

    Args:
        name: the option's name, for the message.
        values: the numbers.
        minimum: the minimum number of values.
        length: the exact number of values, or None.
    """
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{name} = {values!r} must be a list of whole numbers")
    if len(values) < minimum or (length is not None and len(values) != length):
        expected = f"{length}" if length is not None else f"at least {minimum}"
        raise ValueError(f"{name} = {list(values)!r} has {len(values)} entries: give {expected}")
    return [positive(name, value) for value in values]
