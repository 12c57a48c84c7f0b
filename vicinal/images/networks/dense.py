"""A fully connected network, which ignores the neighbourhood of pixels.

::

    h_1 = ReLU(W_1 x + b_1)      x: the flattened pixels
    h_2 = ReLU(W_2 h_1 + b_2)
    logits = W_3 h_2 + b_3

The baseline for convolutional networks: with as many parameters, but permuting the
pixels of all images in the same way would not change its accuracy.

D. Rumelhart, G. Hinton, R. Williams: Learning Representations by Back-Propagating
Errors, Nature 323, 1986; ReLU from X. Glorot, A. Bordes, Y. Bengio, AISTATS 2011.
"""

from torch import Tensor, nn

from vicinal.images.networks.base import Network

MIN_WIDTH = 32
"""units of a hidden layer; fewer would not be a fair comparison"""


class Dense(Network):
    """Two hidden layers of equal width on flattened pixels."""

    head_name = "fc"

    def __init__(self, pixels: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.embedding_size = width
        self.hidden = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
        )
        self.fc = nn.Linear(width, num_classes)
        for module in self.hidden:
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)

    def embed(self, x: Tensor) -> Tensor:
        """Return the second hidden layer: `[N, C, H, W]` to `[N, width]`."""
        return self.hidden(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, image_size, image_size]` to `[N, num_classes]`."""
        return self.fc(self.embed(x))


def parameters(pixels: int, width: int, num_classes: int) -> int:
    """Return the number of parameters of the network of this width."""
    return (pixels + 1) * width + (width + 1) * width + (width + 1) * num_classes


def dense(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int = 28,
    min_parameters: int = 100_000,
) -> Dense:
    """Return the narrowest dense network of at least `min_parameters` parameters."""
    pixels = in_channels * image_size**2
    width = MIN_WIDTH
    while parameters(pixels, width, num_classes) < min_parameters:
        width += 1
    return Dense(pixels, width, num_classes)
