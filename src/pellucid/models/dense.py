"""Fully connected autoencoder for images of one size (any widths)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pellucid.input_spec import InputSpec
from pellucid.models.base import Model, glorot, positive_list


class Dense(Model):
    """Linear layers with ReLU between them and on the code; Glorot-uniform weights and zero biases, as in Keras."""

    def __init__(
        self,
        image: Sequence[int] = (1, 28, 28),
        widths: Sequence[int] = (64,),
        decoder_widths: Sequence[int] | None = None,
        output: str = "sigmoid",
    ) -> None:
        """Build the network.

        Args:
            image: (channels, height, width) of the only images that it takes.
            widths: the encoder's layers; the last is the size of the code.
            decoder_widths: the decoder's hidden layers; by default the encoder's, mirrored.
            output: sigmoid, relu or none.

        Raises:
            ValueError: for an option out of range.
        """
        shape = positive_list("image", image, length=3)
        encoder = positive_list("widths", widths)
        hidden = encoder[-2::-1] if decoder_widths is None else decoder_widths
        decoder = positive_list("decoder_widths", hidden, minimum=0)
        options = {"image": shape, "widths": encoder, "decoder_widths": decoder, "output": output}
        spec = InputSpec(channels=(shape[0],), fixed_size=(shape[1], shape[2]))
        super().__init__(options, spec, output)
        self.shape = tuple(shape)
        pixels = shape[0] * shape[1] * shape[2]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([pixels, *encoder]))
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([encoder[-1], *decoder, pixels]))
        glorot(self)

    def encode(self, noisy: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return the codes (N, widths[-1]), none below 0, of images of the one size; `sigma` is not used."""
        code = noisy.flatten(1)
        for layer in self.encoder:
            code = torch.relu(layer(code))
        return code

    def decode(self, code: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Return the logits (N, C, H, W) of codes (N, widths[-1]); the size is the network's own."""
        *hidden, last = self.decoder
        for layer in hidden:
            code = torch.relu(layer(code))
        return last(code).unflatten(1, self.shape)
