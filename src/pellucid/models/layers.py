"""Convolutions in the forms that are fastest on a CPU, each equal to the plain one up to rounding."""

import torch
from torch import Tensor, nn
from torch.nn import functional

UPS = ("nearest", "bilinear", "deconv")
NARROW = 8  # with fewer output channels, oneDNN pads most of its vector lanes


class SameConv(nn.Conv2d):
    """A convolution with an odd kernel that keeps its input's size."""

    def __init__(self, channels: int, width: int, kernel: int, bias: bool = True) -> None:
        """Build the layer: `channels` in, `width` out."""
        super().__init__(channels, width, kernel, padding=kernel // 2, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Take (N, channels, H, W) to (N, width, H, W)."""
        return same_conv(input, self.weight, self.bias)


class UpConv(nn.Module):
    """Upsampling by 2 to a given size, then a convolution of stride 1; or one transposed convolution of stride 2.

    Doubling by nearest neighbor repeats each pixel 2x2 times, so several taps of the kernel meet the same pixel:
    their weights are added up first. A 3x3 convolution then costs 4 multiplications per output pixel instead of 9.
    """

    def __init__(self, channels: int, width: int, kernel: int, up: str, bias: bool) -> None:
        """Build the layer: `channels` in, `width` out, an odd `kernel`, `up` one of `UPS`."""
        super().__init__()
        self.up = up
        self.conv = (
            nn.ConvTranspose2d(channels, width, kernel, 2, kernel // 2, 1, bias=bias)
            if up == "deconv"
            else nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=bias)
        )

    def forward(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Take (N, channels, h, w) to (N, width, H, W) where (H, W) = `size` is (2h, 2w), or one less in either."""
        rows, columns = size
        if self.up == "deconv":
            return _transposed(image, self.conv.weight, self.conv.bias, 2, output_padding=1)[..., :rows, :columns]
        doubles = not torch.compiler.is_compiling() and size == (2 * image.shape[-2], 2 * image.shape[-1])
        if self.up == "nearest" and doubles:
            return double_conv(image, self.conv.weight, self.conv.bias)
        doubled = functional.interpolate(image, scale_factor=2.0, mode=self.up)[..., :rows, :columns]
        return same_conv(doubled, self.conv.weight, self.conv.bias)


def double_conv(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Double an image (N, I, h, w) by nearest neighbor, then convolve it with `weight` (O, I, k, k), k odd.

    Equals a transposed convolution of stride 2 whose kernel is `weight`, mirrored and fully convolved with 2x2 ones.
    For few output channels one convolution on the small image that makes all four phases of the output is faster.
    """
    padding = weight.shape[-1] // 2
    if weight.shape[0] >= NARROW or padding != 1:
        padded = functional.pad(weight.flip(2, 3), (1, 1, 1, 1))
        rows = padded[..., 1:, :] + padded[..., :-1, :]
        kernel = (rows[..., 1:] + rows[..., :-1]).transpose(0, 1)
        return _transposed(image, kernel, bias, 2)
    phases = functional.conv2d(image, _phase_kernels(weight), None if bias is None else bias.repeat(4), padding=1)
    count, _, height, width = image.shape
    parts = phases.unflatten(1, (2, 2, -1)).permute(1, 2, 0, 4, 5, 3)  # (row, column, N, h + 1, w + 1, O)
    even, odd = (
        torch.stack([part[0][:, row : row + height, :width], part[1][:, row : row + height, 1:]], dim=3)
        for row, part in enumerate(parts)
    )
    doubled = torch.stack([even, odd], dim=2)  # (N, h, 2, w, 2, O)
    return doubled.reshape(count, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


def same_conv(image: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve an image (N, I, H, W) with `weight` (O, I, k, k), k odd, keeping its size.

    For few output channels the transposed convolution with the mirrored kernel is the same, and trains faster.
    """
    padding = weight.shape[-1] // 2
    if weight.shape[0] >= NARROW or torch.compiler.is_compiling():
        return functional.conv2d(image, weight, bias, padding=padding)
    return _transposed(image, weight.flip(2, 3).transpose(0, 1), bias, 1)


def channels_last(image: Tensor) -> Tensor:
    """Copy an image (N, C, H, W) into the memory format `torch.channels_last`; shape and values stay.

    Convolutions that receive it keep the format, and are faster in it on a CPU.
    """
    if torch.compiler.is_compiling():
        return image
    # Of one channel, both layouts count as contiguous: only a new tensor has the strides that choose the kernels.
    return torch.empty_like(image, memory_format=torch.channels_last).copy_(image)


def _transposed(image: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, output_padding: int = 0) -> Tensor:
    """Convolve (N, I, h, w) with `kernel` (I, O, k, k), transposed, to (N, O, stride * h, stride * w)."""
    padding = (kernel.shape[-1] - 1) // 2
    image = functional.conv_transpose2d(image, kernel, None, stride, padding, output_padding)
    # A bias inside the convolution doubles the time of its gradient.
    return image if bias is None else image.add_(bias.to(image.dtype).view(-1, 1, 1))


def _phase_kernels(weight: Tensor) -> Tensor:
    """Return the four 2x2 kernels, (4 * O, I, 2, 2), that a 3x3 one becomes on a doubled image."""

    def fold(taps: Tensor, axis: int) -> list[Tensor]:
        first, middle, last = taps.unbind(axis)
        return [torch.stack([first, middle + last], axis), torch.stack([first + middle, last], axis)]

    return torch.cat([phase for rows in fold(weight, -2) for phase in fold(rows, -1)])
