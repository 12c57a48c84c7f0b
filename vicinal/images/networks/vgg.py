"""VGG: 3x3 convolutions and 2x2 max pooling only.

Two stacked 3x3 convolutions have a receptive field of 5x5 pixels and three of 7x7, with
fewer weights than one large kernel and a nonlinearity in between (section 2.3).

K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image
Recognition, ICLR 2015, https://arxiv.org/abs/1409.1556. Table 1, configuration A is
VGG-11: 132,863,336 parameters for 1,000 classes. Weights carry torchvision's names.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vicinal.images.networks.base import Network, he_init

CONFIGURATION_A = ((64,), (128,), (256, 256), (512, 512), (512, 512))
"""output channels of each convolution; each group ends with a pooling (Table 1)"""

MAP_SIZE = 7
"""pixels per side of the input of the dense layers: 224 halved five times"""


class VGG(Network):
    """Groups of 3x3 convolutions with a pooling after each, and three dense layers."""

    head_name = "classifier.6"

    def __init__(
        self, groups: Sequence[Sequence[int]], num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        self.embedding_size = 4096
        self.features = nn.Sequential(*convolutions(groups, in_channels))
        self.avgpool = nn.AdaptiveAvgPool2d(MAP_SIZE)
        self.classifier = nn.Sequential(
            nn.Linear(groups[-1][-1] * MAP_SIZE * MAP_SIZE, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )
        he_init(self)
        for module in self.classifier:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)  # section 3.1
                nn.init.zeros_(module.bias)

    def embed(self, x: Tensor) -> Tensor:
        """Return the second dense layer's output: `[N, C, H, W]` to `[N, 4096]`.

        In training mode it includes the first of the two dropouts.
        """
        maps = self.avgpool(self.features(x))  # [N, 512, 7, 7]
        return self.classifier[:5](maps.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]`, H and W at least 32, to `[N, num_classes]`."""
        return self.classifier[5:](self.embed(x))


def convolutions(groups: Sequence[Sequence[int]], in_channels: int) -> list[nn.Module]:
    """Return the layers of `VGG.features`, in order."""
    layers: list[nn.Module] = []
    for group in groups:
        for before, after in pairwise((in_channels, *group)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
        in_channels = group[-1]
    return layers


def vgg11(num_classes: int = 1000, in_channels: int = 3) -> VGG:
    """Return VGG-11, with eleven weighted layers (configuration A)."""
    return VGG(CONFIGURATION_A, num_classes, in_channels)
