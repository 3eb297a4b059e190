"""Convolutions that double the size of their input first, exactly and without computing on the doubled image."""

from torch import Tensor, nn
from torch.nn import functional

UPS = ("nearest", "bilinear", "deconv")


class UpConv(nn.Module):
    """Upsampling by 2 to a given size, then a convolution of stride 1; or one transposed convolution of stride 2."""

    def __init__(self, channels: int, width: int, kernel: int, up: str, bias: bool) -> None:
        """Build the layer: `channels` in, `width` out, an odd `kernel`, `up` one of `UPS`."""
        super().__init__()
        self.up = up
        self.kernel = kernel
        self.conv = (
            nn.ConvTranspose2d(channels, width, kernel, 2, kernel // 2, 1, bias=bias)
            if up == "deconv"
            else nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=bias)
        )

    def forward(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Take (N, C, h, w) to (N, width, H, W) where (H, W) = `size` is (2h, 2w), or one less in either."""
        if self.up == "deconv":
            return self.conv(image)[..., : size[0], : size[1]]
        image = functional.interpolate(image, scale_factor=2.0, mode=self.up)
        return self.conv(image[..., : size[0], : size[1]])
