"""Fine-tune a shipped network on one image: on its own first estimate of it, under fresh noise of the same sigma."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.checkpoint import load
from pellucid.engines.base import Precision
from pellucid.losses.mse import MSE
from pellucid.objectives.batch import TrainingBatch
from pellucid.objectives.supervised import Supervised
from pellucid.recipes.recipe import Train
from pellucid.train.step import EMA, TrainingStep, make_optimizer
from pellucid.utils.device import resolve_device, torch_threads

PATCH_SIZE, BATCH_SIZE = 128, 4
LR, MIN_LR_FRACTION, WARMUP_STEPS, GRAD_CLIP, EMA_DECAY = 3e-4, 0.05, 10, 0.5, 0.97
BF16_CPU_FEATURES = ("avx512_bf16", "amx_bf16")
COLOR_CHANNELS = 3


def best_precision(device: torch.device | None = None) -> Precision:
    """Return the precision that is fastest on a device, the CPU by default."""
    if device is not None and device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    features = torch.cpu.get_capabilities()
    return "bf16" if any(features.get(name) for name in BF16_CPU_FEATURES) else "fp32"


class GrayAsColor(nn.Module):
    """A network for color images that takes gray ones too, as color images of three equal channels."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Denoise images (N, 1 or 3, H, W) with noise of sigma (N,)."""
        if noisy.shape[1] == COLOR_CHANNELS:
            return self.network(noisy, sigma)
        return self.network(noisy.expand(-1, COLOR_CHANNELS, -1, -1), sigma).mean(dim=1, keepdim=True)


class AdaptedNetwork:
    """A conditional network for color images that can be fine-tuned.

    Attributes:
        multiple_of: height and width of its input are multiples of this.
        precision: of its arithmetic: bfloat16 where the processor has it.
    """

    def __init__(self, path: Path, threads: int, device: str = "auto") -> None:
        """Load a checkpoint, to run on so many CPU threads or on another device."""
        network = load(path).networks["denoiser"]
        self._device = resolve_device(device)
        self._model, self._threads = GrayAsColor(network).to(self._device), threads
        self.multiple_of: int = network.input_spec.multiple_of
        self.precision: Precision = best_precision(self._device)

    def __call__(self, planes: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise planes (N, 1 or 3, H, W), float32, with noise of one sigma in [0, 1] units."""
        noisy = torch.from_numpy(planes).to(self._device)
        with self._inference_settings(), torch.inference_mode():
            return self._model(noisy, noisy.new_full((len(noisy),), sigma)).float().cpu().numpy()

    def fine_tune(
        self,
        planes: list[np.ndarray],
        sigma: float,
        residuals: list[np.ndarray] | None,
        seconds: float,
        steps: int,
        seed: int,
        progress: Callable[[float], object],
    ) -> None:
        """Train on estimates in place of clean images, under noise of one sigma (Vaksman et al., CVPRW 2020).

        A network that was trained on images of all kinds adapts to the content of this one and to its kind of noise.
        Its target is never a noisy image, so it cannot learn to keep noise.

        Args:
            planes: (N, 1 or 3, H, W) each: the network's first estimates of parts of the image.
            sigma: the standard deviation of the added noise, in [0, 1] units.
            residuals: of the shapes of `planes`: the noise that the network removed from them. Patches of it, scaled
                to `sigma`, serve as noise; None uses white noise.
            seconds: how long to train, unless `steps` is above 0.
            steps: the number of steps; 0 uses `seconds`.
            seed: of all randomness.
            progress: called with the fraction that is done, 0 to 1.
        """
        generator = torch.Generator(self._device).manual_seed(seed)
        images = _PatchSampler(planes, self._device)
        noise_patches = _PatchSampler(residuals, self._device) if residuals else None
        sigmas = torch.full((BATCH_SIZE,), sigma, device=self._device)
        model = copy.deepcopy(self._model).train()
        optimizer = make_optimizer(model, Train(1, BATCH_SIZE, LR, optimizer="adamw"))
        step = TrainingStep(model, optimizer, Supervised(), MSE(), self.precision == "bf16", GRAD_CLIP)
        ema = EMA(self._model, EMA_DECAY)
        with torch_threads(self._threads):
            for number, fraction in enumerate(_progress_fractions(seconds, steps), start=1):
                progress(fraction)
                step.lr = LR * min(1.0, number / WARMUP_STEPS) * _cosine_decay(fraction)
                clean = images(generator)
                if noise_patches:
                    noise = noise_patches(generator) / noise_patches.rms
                else:
                    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
                step(TrainingBatch(clean, clean + sigma * noise, sigmas))
                ema.update(model)
        progress(1.0)

    @contextmanager
    def _inference_settings(self) -> Iterator[None]:
        """Compute on the chosen threads and in the chosen precision inside the block."""
        autocast = torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch_threads(self._threads), autocast:
            yield


def _progress_fractions(seconds: float, steps: int) -> Iterator[float]:
    """Yield the fraction of the training that is done, before each step."""
    if steps:
        yield from (step / steps for step in range(steps))
        return
    start_time = time.monotonic()
    while (fraction := (time.monotonic() - start_time) / seconds) < 1:
        yield fraction


def _cosine_decay(fraction: float) -> float:
    """Return the factor on the learning rate: half a cosine, from 1 to `MIN_LR_FRACTION`."""
    return MIN_LR_FRACTION + (1 - MIN_LR_FRACTION) * (1 + math.cos(math.pi * fraction)) / 2


class _PatchSampler:
    """Square patches at random positions of images, randomly rotated and flipped.

    Attributes:
        rms: the root mean square of all images.
    """

    def __init__(self, planes: list[np.ndarray], device: torch.device) -> None:
        """Take images (N, C, H, W)."""
        self._images = [torch.from_numpy(image[None]).to(device) for part in planes for image in part]
        self._areas = torch.tensor([float(image[0, 0].numel()) for image in self._images], device=device)
        self._side = min(PATCH_SIZE, *(length for image in self._images for length in image.shape[-2:]))
        mean_square = sum(float(image.square().sum()) for image in self._images) / sum(map(Tensor.numel, self._images))
        self.rms = mean_square**0.5

    def __call__(self, generator: torch.Generator) -> Tensor:
        """Return a batch (BATCH_SIZE, C, side, side)."""
        indices = torch.multinomial(self._areas, BATCH_SIZE, replacement=True, generator=generator).tolist()
        return torch.cat([self._patch(self._images[index], generator) for index in indices])

    def _patch(self, image: Tensor, generator: torch.Generator) -> Tensor:
        height, width = image.shape[-2:]
        top, left, dihedral = (
            int(torch.randint(count, (), generator=generator, device=generator.device))
            for count in (height - self._side + 1, width - self._side + 1, 8)
        )
        patch = image[..., top : top + self._side, left : left + self._side].rot90(dihedral % 4, (2, 3))
        return patch.flip(3) if dihedral >= 4 else patch
