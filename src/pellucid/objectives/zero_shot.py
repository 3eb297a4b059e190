"""Zero-shot Noise2Noise: two half-size images of diagonal means, each the target of the other; one image suffices."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from pellucid.objectives.batch import Loss, TrainingBatch, check_any_size, halved_sigma, prepared

HALF_VARIANCE = 0.5**0.5


@dataclass(frozen=True)
class ZeroShot:
    """Zero-shot Noise2Noise (Mansour & Heckel, CVPR 2023): symmetric residual and consistency loss.

    Both images of `downsampled` show nearly the same scene with independent noise of half the variance, if the noise is
    white: each is the target of the other (their equation 4). Denoising and downsampling must also commute (equation
    6), so that the network denoises the whole image too.

    Attributes:
        consistency: weight of the consistency loss, at least 0; 1 in the paper.
    """

    needs_labels: ClassVar[bool] = False
    consistency: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a negative weight."""
        if not self.consistency >= 0:
            raise ValueError(f"consistency = {self.consistency} must be at least 0, such as 1")

    def __call__(self, model: Any, loss: Loss | None, batch: TrainingBatch) -> Tensor:
        """Return the scalar loss of one batch; raises UsageError without a loss, or for a network of a fixed size."""
        predict, loss = prepared("zero_shot", model, loss)
        check_any_size("zero_shot", model)
        halves = downsampled(batch.noisy)
        sigma = halved_sigma(batch.sigma, lambda sigma_map: downsampled(sigma_map.square())[0].sqrt())
        sigma = None if sigma is None else sigma * HALF_VARIANCE
        predicted = [predict(half, sigma) for half in halves]
        value = (loss(predicted[0], halves[1]) + loss(predicted[1], halves[0])) / 2
        if not self.consistency:
            return value
        denoised = [model.activate(image) for image in predicted] if loss.on_logits else predicted
        whole = downsampled(model(batch.noisy, batch.sigma))
        gaps = [(half - image).square().mean() for half, image in zip(denoised, whole, strict=True)]
        return value + self.consistency * (gaps[0] + gaps[1]) / 2


def downsampled(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of the two diagonals of each 2x2 cell of images (N, C, H, W), both (N, C, H // 2, W // 2).

    These are the paper's convolutions of stride 2 with the kernels [[0, 1/2], [1/2, 0]] and [[1/2, 0], [0, 1/2]].
    """
    height, width = (side // 2 * 2 for side in images.shape[-2:])
    rows = images[..., :height, :width]
    top, bottom = rows[..., ::2, :], rows[..., 1::2, :]
    rising = (top[..., 1::2] + bottom[..., ::2]) / 2
    falling = (top[..., ::2] + bottom[..., 1::2]) / 2
    return rising, falling
