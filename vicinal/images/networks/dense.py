"""A dense network: every unit sees every pixel, and no pixel has neighbours.

::

    h_1 = ReLU(W_1 x + b_1)      x: all pixels in a row
    h_2 = ReLU(W_2 h_1 + b_2)
    logits = W_3 h_2 + b_3

What a convolutional network has to beat: with as many parameters, but shuffling the
pixels of all pictures in the same way would change nothing for it.

D. Rumelhart, G. Hinton, R. Williams: Learning Representations by Back-Propagating
Errors, Nature 323, 1986; ReLU from X. Glorot, A. Bordes, Y. Bengio, AISTATS 2011.
"""

from torch import Tensor, nn

from vicinal.images.networks.base import Network

NARROWEST = 32
"""Units of a hidden layer at the least: fewer would not be a fair partner."""


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
        """The second hidden layer: `[N, C, image_size, image_size]` to `[N, width]`."""
        return self.hidden(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: `[N, C, image_size, image_size]` to `[N, num_classes]`."""
        return self.fc(self.embed(x))


def parameters(pixels: int, width: int, num_classes: int) -> int:
    """How many numbers the network of this width learns, biases included."""
    return (pixels + 1) * width + (width + 1) * width + (width + 1) * num_classes


def dense(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int = 28,
    min_parameters: int = 100_000,
) -> Dense:
    """The narrowest dense network that has at least `min_parameters` parameters."""
    pixels = in_channels * image_size**2
    width = NARROWEST
    while parameters(pixels, width, num_classes) < min_parameters:
        width += 1
    return Dense(pixels, width, num_classes)
