"""Convolutional autoencoder without skips (any widths; nearest, bilinear or deconvolution upsampling)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from pellucid.input_spec import InputSpec
from pellucid.models.base import Model, glorot, one_of, positive, positive_list
from pellucid.models.layers import UPS, SameConv, UpConv, channels_last


class Conv(Model):
    """Convolution, ReLU and pooling per encoder width; upsampling, convolution and ReLU per decoder width.

    Each encoder stage halves the size, rounding up (28, 14, 7, 4: the 'same' pooling of Keras); the decoder comes
    back through the same sizes, so that images of any size fit.
    """

    def __init__(
        self,
        channels: int = 1,
        widths: Sequence[int] = (64, 64, 32),
        decoder_widths: Sequence[int] | None = None,
        kernel: int = 3,
        up: str = "nearest",
        upsample: str = "before",
        norm: str = "none",
        pool: str = "max",
        output: str = "sigmoid",
    ) -> None:
        """Build the network.

        Args:
            channels: of the images.
            widths: channels of the encoder's stages; the last is the depth of the code.
            decoder_widths: channels of the decoder's stages, as many; by default the encoder's, reversed.
            kernel: side of every convolution's kernel, odd.
            up: how sizes double: `nearest` or `bilinear` interpolation ahead of a convolution, or `deconv`, a
                stride-2 transposed convolution, which leaves checkerboards (Odena et al. 2016).
            upsample: `before` or `after` the convolution of each decoder stage.
            norm: `none` or `batch`.
            pool: how sizes halve: `max`, or `stride` in the convolution.
            output: sigmoid, relu or none.

        Raises:
            ValueError: for an option out of range.
        """
        encoder = positive_list("widths", widths)
        mirrored = encoder[::-1] if decoder_widths is None else decoder_widths
        decoder = positive_list("decoder_widths", mirrored, length=len(encoder))
        options = {"channels": positive("channels", channels), "widths": encoder, "decoder_widths": decoder}
        options |= {"kernel": _odd(kernel), "up": one_of("up", up, UPS)}
        options |= {"upsample": one_of("upsample", upsample, ("before", "after"))}
        options |= {"norm": one_of("norm", norm, ("none", "batch")), "pool": one_of("pool", pool, ("max", "stride"))}
        super().__init__(options | {"output": output}, InputSpec(channels=(channels,)), output)
        self.max_pool = pool == "max"
        self.before = upsample == "before"
        stride = 1 if self.max_pool else 2
        self.encoder = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=norm == "none") for a, b in pairwise([channels, *encoder])
        )
        self.decoder = nn.ModuleList()
        for index, (a, b) in enumerate(pairwise([encoder[-1], *decoder, channels])):
            last = index == len(decoder)
            bias = norm == "none" or last
            if last if self.before else index == 0:
                self.decoder.append(SameConv(a, b, kernel, bias))
            else:
                self.decoder.append(UpConv(a, b, kernel, up, bias))
        self.encoder_norms = nn.ModuleList(_norm(norm, width) for width in encoder)
        self.decoder_norms = nn.ModuleList(_norm(norm, width) for width in decoder)
        glorot(self)

    def encode(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return the code (N, widths[-1], h, w), none below 0; h and w are H and W halved, rounding up, per stage."""
        code = channels_last(noisy)
        for layer, norm in zip(self.encoder, self.encoder_norms, strict=True):
            code = norm(layer(code))
            if self.max_pool:  # ahead of the ReLU, which commutes with it: a quarter of the values to rectify
                code = functional.max_pool2d(code, 2, ceil_mode=True)
            code = functional.relu(code, inplace=True)
        return code

    def decode(self, code: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the logits (N, C, H, W) of a code of images sized (H, W)."""
        sizes = [size]
        for _ in self.encoder:
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        sizes.pop()
        for index, layer in enumerate(self.decoder):
            code = layer(code, sizes.pop()) if isinstance(layer, UpConv) else layer(code)
            if index < len(self.decoder_norms):
                code = functional.relu(self.decoder_norms[index](code), inplace=True)
        return code


def _odd(kernel: int) -> int:
    if positive("kernel", kernel) % 2 == 0:
        raise ValueError(f"kernel = {kernel} must be odd, so that sizes stay: use {kernel + 1}")
    return kernel


def _norm(norm: str, width: int) -> nn.Module:
    return nn.BatchNorm2d(width) if norm == "batch" else nn.Identity()
