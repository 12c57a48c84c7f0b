"""The small network: convolution, pooling, dense; for small images and two CPU cores.

::

    stage 1    h = ReLU(BN(W * x))                          16 channels
    stage i    h = pool(h), h = ReLU(BN(W * h)),            twice as many, at most 256
               h = h + ReLU(BN(W' * h))
    head       logits = V mean(h) + b                       mean over all pixels

Each stage halves the feature map until it is 4 to 7 pixels wide: 28 pixels take three
stages (28, 14, 7) and 8 pixels two. Above 64 pixels the first convolution has stride 2,
so that 128 pixels take five (64, 32, 16, 8, 4).

========= ====== ======== ========== ==================
image     stages channels parameters multiply-additions
========= ====== ======== ========== ==================
8x8x1     2      32       14,458     0.2 million
28x28x1   3      64       70,330     5.5 million
128x128x3 5      256      1,179,994  58.4 million
========= ====== ======== ========== ==================

vicinal's own, after LeNet-5 (LeCun et al. 1998), with batch norm (S. Ioffe, C.
Szegedy, ICML 2015), residual convolutions (He et al., CVPR 2016) and the mean over the
last feature map in place of wide dense layers (M. Lin et al., ICLR 2014, section 3.2).
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from vicinal.images.networks.base import Network, he_init

FIRST_WIDTH, MAX_WIDTH = 16, 256
"""channels of the first stage, and the largest number of any stage"""

MAX_LAST_MAP = 7
"""pixels per side above which a feature map is halved once more"""

STRIDE_ABOVE = 64
"""pixels per side above which the first convolution has stride 2"""


class Convolution(nn.Module):
    """ReLU(BN(W * x)), 3x3: `[N, C, H, W]` to `[N, out, H / stride, W / stride]`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, 3, stride, padding=1, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Stage(nn.Module):
    """Pooling, a convolution to more channels, and a residual convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.widen = Convolution(in_channels, out_channels)
        self.refine = Convolution(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.widen(self.pool(x))
        return h + self.refine(h)


class Small(Network):
    """vicinal's own network: fast to train from scratch on a laptop."""

    head_name = "fc"

    def __init__(
        self, widths: Sequence[int], stride: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        self.embedding_size = widths[-1]
        self.stages = nn.Sequential(
            Convolution(in_channels, widths[0], stride),
            *(Stage(before, after) for before, after in pairwise(widths)),
        )
        self.fc = nn.Linear(widths[-1], num_classes)
        he_init(self)

    def chain(self) -> list[nn.Module]:
        return list(self.stages)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last feature map's means: `[N, C, H, W]` to `[N, widths[-1]]`."""
        return self.pool(self.stages(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.fc(self.embed(x))


def stage_widths(side: int) -> list[int]:
    """Return the channels of each stage, for a first map of `side` pixels."""
    widths = [FIRST_WIDTH]
    while side > MAX_LAST_MAP:
        widths.append(min(2 * widths[-1], MAX_WIDTH))
        side //= 2
    return widths


def small(num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> Small:
    """Return the small network, with as many stages as `image_size` requires."""
    stride = 2 if image_size > STRIDE_ABOVE else 1
    widths = stage_widths(-(-image_size // stride))  # rounded up, as padding does
    return Small(widths, stride, num_classes, in_channels)
