"""ResNet: each block learns a residual, so that very deep networks train.

::

    y = F(x) + x              (1)  where the shapes agree
    y = F(x) + W_s x          (2)  where they differ: option B, `projection`
    y = F(x) + pad(x[::2])         the same without parameters: option A, `ZeroPadded`

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR
2016, https://arxiv.org/abs/1512.03385. Table 1 (ImageNet), section 4.2 (CIFAR-10).
ResNet-18 11,689,512, -34 21,797,672, -50 25,557,032 parameters for 1,000 classes;
ResNet-20 for CIFAR-10 269,722. Weights carry torchvision's names.

Two details are later than the paper, both from P. Goyal et al.: Accurate, Large
Minibatch SGD, 2017, https://arxiv.org/abs/1706.02677, section 5.1: the stride of a
bottleneck is in its 3x3 convolution, and the scale of a block's last batch norm is
initialized to zero, so that every block starts as the identity.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.images.networks.base import Network, he_init

Shortcut = Callable[[int, int, int], nn.Module]
"""makes the shortcut of a block from (in_channels, out_channels, stride)"""


class ZeroPadded(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for the additional channels.

    `[N, C, H, W]` to `[N, out_channels, H / stride, W / stride]`, rounded up. Half of
    the zeros are before the channels and half after (section 3.3 does not say where).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        additional = out_channels - in_channels
        self.stride = stride
        self.before, self.after = additional // 2, additional - additional // 2

    def forward(self, x: Tensor) -> Tensor:
        subsampled = x[:, :, :: self.stride, :: self.stride]
        return F.pad(subsampled, (0, 0, 0, 0, self.before, self.after))


def projection(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return option B: a 1x1 convolution to the block's output shape."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut (Figure 5, left)."""

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_channels, channels, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.downsample = shortcut
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        f = self.relu(self.bn1(self.conv1(x)))
        f = self.bn2(self.conv2(f))
        return self.relu(f + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 to four times as many (Figure 5, right)."""

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int, shortcut: nn.Module | None
    ) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.downsample = shortcut
        nn.init.zeros_(self.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        f = self.relu(self.bn1(self.conv1(x)))
        f = self.relu(self.bn2(self.conv2(f)))
        f = self.bn3(self.conv3(f))
        return self.relu(f + (x if self.downsample is None else self.downsample(x)))


Block = type[BasicBlock] | type[Bottleneck]


def stage(
    block: Block,
    shortcut: Shortcut,
    in_channels: int,
    channels: int,
    depth: int,
    stride: int,
) -> nn.Sequential:
    """Return `depth` blocks, of which the first changes size and channels."""
    out_channels = channels * block.expansion
    changes = stride != 1 or in_channels != out_channels
    first_shortcut = shortcut(in_channels, out_channels, stride) if changes else None
    first = block(in_channels, channels, stride, first_shortcut)
    rest = [block(out_channels, channels, 1, None) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


class ResNet(Network):
    """The residual network for ImageNet: a stem and four stages (Table 1)."""

    head_name = "fc"

    def __init__(
        self,
        block: Block,
        depths: tuple[int, int, int, int],
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        e = block.expansion
        self.embedding_size = 512 * e
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, projection, 64, 64, depths[0], 1)
        self.layer2 = stage(block, projection, 64 * e, 128, depths[1], 2)
        self.layer3 = stage(block, projection, 128 * e, 256, depths[2], 2)
        self.layer4 = stage(block, projection, 256 * e, 512, depths[3], 2)
        self.fc = nn.Linear(512 * e, num_classes)
        he_init(self)

    def chain(self) -> list[nn.Module]:
        stem = nn.Sequential(self.conv1, self.bn1, self.relu, self.maxpool)
        return [stem, *self.layer1, *self.layer2, *self.layer3, *self.layer4]

    def embed(self, x: Tensor) -> Tensor:
        """Return the last feature map's means: `[N, C, H, W]` to `[N, D]`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # [N, 64, H/4, W/4]
        x = self.layer2(self.layer1(x))
        x = self.layer4(self.layer3(x))  # [N, D, H/32, W/32]
        return self.pool(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.fc(self.embed(x))


class CifarResNet(Network):
    """The residual network for 32x32 images: three narrow stages (section 4.2)."""

    head_name = "linear"

    def __init__(self, n: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.embedding_size = 64
        self.conv1 = conv3x3(in_channels, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = stage(BasicBlock, ZeroPadded, 16, 16, n, 1)
        self.layer2 = stage(BasicBlock, ZeroPadded, 16, 32, n, 2)
        self.layer3 = stage(BasicBlock, ZeroPadded, 32, 64, n, 2)
        self.linear = nn.Linear(64, num_classes)
        he_init(self)

    def chain(self) -> list[nn.Module]:
        stem = nn.Sequential(self.conv1, self.bn1, self.relu)
        return [stem, *self.layer1, *self.layer2, *self.layer3]

    def embed(self, x: Tensor) -> Tensor:
        """Return the last feature map's means: `[N, C, H, W]` to `[N, 64]`."""
        x = self.relu(self.bn1(self.conv1(x)))  # [N, 16, H, W]
        x = self.layer3(self.layer2(self.layer1(x)))  # [N, 64, H/4, W/4]
        return self.pool(x)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.linear(self.embed(x))


def resnet18(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNet-18, with 18 weighted layers."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels)


def resnet34(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNet-34."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels)


def resnet50(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """Return ResNet-50, of bottleneck blocks."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels)


def resnet20(num_classes: int = 10, in_channels: int = 3) -> CifarResNet:
    """Return ResNet-20 for 32x32 images, with 20 = 6n + 2 layers."""
    return CifarResNet(3, num_classes, in_channels)
