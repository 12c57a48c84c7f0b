"""LeNet-5: two convolutions, two poolings and three dense layers for digits.

::

    image [C, 32, 32]
    C1  convolution 5x5 -> [6, 28, 28]     S2  average 2x2 -> [6, 14, 14]
    C3  convolution 5x5 -> [16, 10, 10]    S4  average 2x2 -> [16, 5, 5]
    C5  dense -> 120     F6  dense -> 84     output  dense -> num_classes

61,706 parameters for 10 classes and one channel.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document
Recognition, Proc. IEEE 86(11), 1998, section II.B.

This is the form in use today. The paper's differs in four places: its activation is
1.7159 tanh(2a/3), its pooling has a trainable scale and bias, each map of C3 is
connected to some maps of S2 only, and its output is the distance to a 7x12 bitmap of
each class.
"""

from typing import Literal

from torch import Tensor, nn

from vicinal.images.networks.base import Network

INPUT_SIZE = 32
"""pixels per side of the paper's input; smaller images are zero-padded to it"""


class LeNet5(Network):
    """The classic small network for handwritten digits, with seven layers."""

    head_name = "output"

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        image_size: int,
        activation: Literal["tanh", "relu"],
    ) -> None:
        super().__init__()
        activation_layer = nn.Tanh if activation == "tanh" else nn.ReLU
        border = max(0, INPUT_SIZE - image_size)
        before, after = border // 2, border - border // 2
        side = map_size(max(INPUT_SIZE, image_size))
        self.embedding_size = 84
        self.features = nn.Sequential(
            nn.ZeroPad2d((before, after, before, after)),
            nn.Conv2d(in_channels, 6, 5),
            activation_layer(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            activation_layer(),
            nn.AvgPool2d(2),
        )
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            activation_layer(),
            nn.Linear(120, 84),
            activation_layer(),
        )
        self.output = nn.Linear(84, num_classes)
        self._initialize(activation)

    def _initialize(self, activation: Literal["tanh", "relu"]) -> None:
        """Xavier initialization for the activation; the paper's is uniform (App. A)."""
        gain = nn.init.calculate_gain(activation)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight, gain=gain)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def embed(self, x: Tensor) -> Tensor:
        """Return the 84 units of layer F6: `[N, C, H, W]` to `[N, 84]`."""
        return self.dense(self.features(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, image_size, image_size]` to `[N, num_classes]`."""
        return self.output(self.embed(x))


def map_size(size: int) -> int:
    """Return the pixels per side of layer S4 for an input of `size` pixels."""
    for _ in range(2):
        size = (size - 4) // 2  # a 5x5 kernel loses four pixels, pooling halves
    return size


def lenet5(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int = 28,
    activation: Literal["tanh", "relu"] = "tanh",
) -> LeNet5:
    """Return LeNet-5 for images of `image_size` pixels, zero-padded below 32."""
    return LeNet5(num_classes, in_channels, image_size, activation)
