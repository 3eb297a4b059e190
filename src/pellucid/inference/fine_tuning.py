"""A shipped network trained on from one image: on its own first guess of it, under fresh noise of the same level."""

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

PATCH, BATCH = 128, 4
RATE, LEAST_RATE, WARM_UP, CLIPPED, AVERAGED = 3e-4, 0.05, 10, 0.5, 0.97
OBJECTIVE = Supervised()
FAST_BF16 = ("avx512_bf16", "amx_bf16")
COLOURS = 3


def precision() -> Precision:
    """Return what pays on this processor."""
    told = torch.cpu.get_capabilities()
    return "bf16" if any(told.get(name) for name in FAST_BF16) else "fp32"


class Shown(nn.Module):
    """A network for colour images, to which gray ones are shown as gray colour."""

    def __init__(self, network: nn.Module) -> None:
        """Take the network."""
        super().__init__()
        self.network = network

    def forward(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Denoise (N, 1 or 3, H, W) of levels (N,)."""
        if noisy.shape[1] == COLOURS:
            return self.network(noisy, sigma)
        return self.network(noisy.expand(-1, COLOURS, -1, -1), sigma).mean(dim=1, keepdim=True)


class Pupil:
    """A conditional network for colour images, at work and in training.

    Attributes:
        multiple_of: height and width of what it denoises are multiples of this.
        precision: what it computes in: bfloat16 where the processor has it.
    """

    def __init__(self, path: Path, threads: int) -> None:
        """Load a checkpoint, to run on so many threads."""
        network = load(path).networks["denoiser"]
        self._model, self._threads = Shown(network), threads
        self.multiple_of: int = network.input_spec.multiple_of
        self.precision: Precision = precision()

    def __call__(self, planes: np.ndarray, level: float) -> np.ndarray:
        """Denoise planes (N, 1 or 3, H, W), float32, of one noise level."""
        with self._at_work(), torch.inference_mode():
            return self._model(torch.from_numpy(planes), torch.full((len(planes),), level)).float().numpy()

    def train(
        self,
        planes: list[np.ndarray],
        level: float,
        noises: list[np.ndarray] | None,
        seconds: float,
        steps: int,
        seed: int,
        tell: Callable[[float], object],
    ) -> None:
        """Train on images that stand in for clean ones, under noise of one level (Vaksman et al., CVPRW 2020).

        A network that learned from images of all kinds gets to know what is in this one, and the kind of its noise. It
        never is to give back what is noisy, so that it cannot learn to keep noise.

        Args:
            planes: (N, 1 or 3, H, W) each: what the network made of the image before.
            level: the deviation of the noise to be added.
            noises: of the shapes of `planes`: what the network took out of them, from which patches are drawn as noise;
                None has white noise drawn.
            seconds: how long, unless `steps` is given.
            steps: how many steps; 0 goes by the time.
            seed: of all chance.
            tell: told the share that is done.
        """
        drawn, loss = torch.Generator().manual_seed(seed), MSE()
        images, sigma = _Patches(planes), torch.full((BATCH,), level)
        taken = _Patches(noises) if noises else None
        model = copy.deepcopy(self._model).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0, fused=True)
        for step, share in enumerate(_shares(seconds, steps), start=1):
            tell(share)
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, step / WARM_UP) * _cooled(share)
            clean = images(drawn)
            noise = taken(drawn) / taken.deviation if taken else torch.randn(clean.shape, generator=drawn)
            noisy = clean + level * noise
            with self._at_work():
                value = OBJECTIVE(model, loss, TrainingBatch(clean, noisy, sigma))
                optimizer.zero_grad()
                value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIPPED)
            optimizer.step()
            with torch.no_grad():
                for kept, new in zip(self._model.parameters(), model.parameters(), strict=True):
                    kept.lerp_(new, 1 - AVERAGED)
        tell(1.0)

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Compute on the threads and in the precision that are wanted, and leave torch's setting as it was."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
                yield
        finally:
            torch.set_num_threads(before)


def _shares(seconds: float, steps: int) -> Iterator[float]:
    """Yield the share of a training that is done, before every step of it."""
    if steps:
        yield from (step / steps for step in range(steps))
        return
    started = time.monotonic()
    while (share := (time.monotonic() - started) / seconds) < 1:
        yield share


def _cooled(share: float) -> float:
    """Return what the rate is multiplied with: half a cosine, from 1 nearly to 0."""
    return LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * share)) / 2


class _Patches:
    """Square patches at random places of images, turned and mirrored at random."""

    def __init__(self, planes: list[np.ndarray]) -> None:
        """Take images (N, C, H, W)."""
        self._images = [torch.from_numpy(image[None]) for part in planes for image in part]
        self._areas = torch.tensor([float(image[0, 0].numel()) for image in self._images])
        self._side = min(PATCH, *(length for image in self._images for length in image.shape[-2:]))
        mean_square = sum(float(image.square().sum()) for image in self._images) / sum(map(Tensor.numel, self._images))
        self.deviation = mean_square**0.5

    def __call__(self, drawn: torch.Generator) -> Tensor:
        """Return a batch (BATCH, C, side, side)."""
        chosen = torch.multinomial(self._areas, BATCH, replacement=True, generator=drawn).tolist()
        return torch.cat([self._patch(self._images[index], drawn) for index in chosen])

    def _patch(self, image: Tensor, drawn: torch.Generator) -> Tensor:
        height, width = image.shape[-2:]
        top, left, turns = (
            int(torch.randint(count, (), generator=drawn))
            for count in (height - self._side + 1, width - self._side + 1, 8)
        )
        patch = image[..., top : top + self._side, left : left + self._side].rot90(turns % 4, (2, 3))
        return patch.flip(3) if turns >= 4 else patch
