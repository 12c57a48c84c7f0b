"""ConvNeXt: a convolutional network built in the proportions of a transformer.

::

    h = LayerNorm(D x)              D: 7x7 depthwise convolution       (Figure 4, right)
    y = x + gamma * W_2 GELU(W_1 h)    W_1: 4 times as many channels, W_2: back

Between stages a LayerNorm and a 2x2 convolution of stride 2; the stem is a 4x4
convolution of stride 4 (section 2.2). gamma, the layer scale, begins at 1e-6.

Z. Liu, H. Mao, C.-Y. Wu, C. Feichtenhofer, T. Darrell, S. Xie: A ConvNet for the 2020s,
CVPR 2022, https://arxiv.org/abs/2201.03545. Tiny has 28,589,128 parameters for 1,000
classes. Atto, 3,695,520, is from S. Woo et al.: ConvNeXt V2, CVPR 2023,
https://arxiv.org/abs/2301.00808, Appendix A.1, with the blocks of the first version.
Weights carry torchvision's names.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.images.networks.base import Network


class LayerNorm2d(nn.LayerNorm):
    """Normalize the channels of every pixel, then scale and shift.

    `[N, C, H, W]` to the same. In channels_last memory a pixel's channels lie side by
    side, so both permutations copy nothing.
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Pointwise(nn.Linear):
    """The same dense layer at every pixel: `[N, C, H, W]` to `[N, out, H, W]`.

    Computed as a 1x1 convolution, so that a whole block keeps this shape.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight[:, :, None, None], self.bias)


class StochasticDepth(nn.Module):
    """In training, skip a block for a random subset of the batch's images.

    The others are scaled by 1 / (1 - p), which keeps the mean. G. Huang et al.: Deep
    Networks with Stochastic Depth, ECCV 2016, https://arxiv.org/abs/1603.09382.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device)
        return x * keep.bernoulli_(1 - self.p) / (1 - self.p)


class Block(nn.Module):
    """A depthwise convolution, then a dense layer at each pixel."""

    def __init__(self, channels: int, drop: float) -> None:
        super().__init__()
        c = channels
        # torchvision's numbering, in which 1 and 6 are permutations without weights
        layers: list[tuple[str, nn.Module]] = [
            ("0", nn.Conv2d(c, c, 7, padding=3, groups=c)),
            ("2", LayerNorm2d(c, eps=1e-6)),
            ("3", Pointwise(c, 4 * c)),
            ("4", nn.GELU()),
            ("5", Pointwise(4 * c, c)),
        ]
        self.block = nn.Sequential(OrderedDict(layers))
        self.layer_scale = nn.Parameter(torch.full((c, 1, 1), 1e-6))
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.stochastic_depth(self.layer_scale * self.block(x))


class ConvNeXt(Network):
    """Four stages of blocks; each halves the feature map and has more channels."""

    head_name = "classifier.2"

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        num_classes: int,
        in_channels: int,
        drop: float,
    ) -> None:
        super().__init__()
        self.embedding_size = widths[-1]
        self.features = nn.Sequential(*stages(depths, widths, in_channels, drop))
        self.classifier = nn.Sequential(
            LayerNorm2d(widths[-1], eps=1e-6),
            nn.Flatten(),
            nn.Linear(widths[-1], num_classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)  # Appendix A.1
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def chain(self) -> list[nn.Module]:
        return [block for stage in self.features for block in stage.children()]

    def pool(self, maps: Tensor) -> Tensor:
        """Return the normalized channel means: `[N, D, H, W]` to `[N, D]`."""
        return self.classifier[:2](maps.mean((2, 3), keepdim=True))

    def embed(self, x: Tensor) -> Tensor:
        """Return the normalized channel means: `[N, C, H, W]` to `[N, widths[-1]]`."""
        x = x.contiguous(memory_format=torch.channels_last)  # for LayerNorm2d
        return self.pool(self.features(x))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]`, H and W at least 32, to `[N, num_classes]`."""
        return self.classifier[2](self.embed(x))


def stages(
    depths: Sequence[int], widths: Sequence[int], in_channels: int, drop: float
) -> list[nn.Module]:
    """Return the layers: stem, blocks, then downsampling and blocks in turn.

    drop: the last block's probability of being skipped; it rises linearly from 0.
    """
    rates = iter(torch.linspace(0, drop, sum(depths), device="cpu").tolist())
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise((in_channels, *widths))):
        norm = LayerNorm2d(after if i == 0 else before, eps=1e-6)
        size = 4 if i == 0 else 2
        downsample = nn.Conv2d(before, after, size, stride=size)
        layers.append(
            nn.Sequential(*((downsample, norm) if i == 0 else (norm, downsample)))
        )
        layers.append(
            nn.Sequential(*(Block(after, next(rates)) for _ in range(depths[i])))
        )
    return layers


def convnext_atto(num_classes: int = 1000, in_channels: int = 3) -> ConvNeXt:
    """Return ConvNeXt-Atto, the smallest ConvNeXt."""
    return ConvNeXt((2, 2, 6, 2), (40, 80, 160, 320), num_classes, in_channels, 0.0)


def convnext_tiny(num_classes: int = 1000, in_channels: int = 3) -> ConvNeXt:
    """Return ConvNeXt-T, with stochastic depth of up to 10 % in training."""
    return ConvNeXt((3, 3, 9, 3), (96, 192, 384, 768), num_classes, in_channels, 0.1)
