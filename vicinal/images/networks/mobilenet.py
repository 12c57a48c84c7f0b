"""MobileNetV2: inverted residual blocks with linear bottlenecks.

::

    h = ReLU6(BN(W_1 x))     1x1: t times as many channels       (Table 1)
    h = ReLU6(BN(D h))       3x3 depthwise, stride s
    y = BN(W_2 h)            1x1: fewer channels
    y = y + x                where both have the same shape

M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen: MobileNetV2: Inverted Residuals
and Linear Bottlenecks, CVPR 2018, https://arxiv.org/abs/1801.04381, Table 2.
3,504,872 parameters for 1,000 classes. Weights carry torchvision's names.
"""

from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from vicinal.errors import SettingError
from vicinal.images.networks.base import Network, he_init
from vicinal.ops.depthwise import depthwise
from vicinal.ops.padding import amounts, pad

Padding = Literal["symmetric", "tensorflow"]
"""Padding of a convolution with stride 2 for an even image size.

`symmetric` pads all four sides, as weights trained in torch expect; `tensorflow` pads
the bottom and the right only, as weights trained in TensorFlow ('SAME') expect. With
the other's padding, weights lose several points of accuracy.
"""

STAGES = (
    # t, channels, blocks, stride of the first block          (Table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class Conv2d(nn.Conv2d):
    """A convolution with a faster algorithm where it is depthwise.

    `[N, C, H, W]` to `[N, out_channels, H', W']`.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None):
        if self.groups == self.in_channels == self.out_channels:
            padding = cast(tuple[int, ...], self.padding)  # never a string here
            return depthwise(input, weight, bias, self.stride, padding)
        return super()._conv_forward(input, weight, bias)


class SameConv2d(Conv2d):
    """A convolution with TensorFlow's 'SAME' padding: size H becomes H / stride.

    `[N, C, H, W]` to `[N, out_channels, ceil(H / stride), ceil(W / stride)]`. The
    padding of each side depends on H and W: `vicinal.ops.padding.amounts`.
    """

    padding_rule = "same_tensorflow"

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[-2:]
        # in a trace sizes are tensors; torch's stubs lack this function
        if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
            height, width = int(height), int(width)
        around = amounts(
            self.padding_rule,
            (self.kernel_size[0], self.kernel_size[1]),
            stride=(self.stride[0], self.stride[1]),
            size=(height, width),
        )
        return super().forward(pad(input, around))


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    groups: int = 1,
    padding: Padding = "symmetric",
) -> nn.Conv2d:
    """Return a convolution without bias; at stride 1 both paddings are the same."""
    if padding == "tensorflow" and stride > 1:
        return SameConv2d(
            in_channels, out_channels, kernel_size, stride, groups=groups, bias=False
        )
    return Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
    )


def convolution_block(conv: nn.Conv2d, norm_eps: float) -> nn.Sequential:
    """Return ReLU6(BN(conv(x))) as a module."""
    return nn.Sequential(
        conv, nn.BatchNorm2d(conv.out_channels, eps=norm_eps), nn.ReLU6()
    )


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project; add the input where shapes match."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        t: int,
        padding: Padding,
        norm_eps: float,
    ) -> None:
        super().__init__()
        hidden = in_channels * t
        expand = convolution(in_channels, hidden, 1)
        depthwise = convolution(hidden, hidden, 3, stride, hidden, padding)
        self.is_residual = stride == 1 and in_channels == out_channels
        self.conv = nn.Sequential(
            *([convolution_block(expand, norm_eps)] if t > 1 else []),
            convolution_block(depthwise, norm_eps),
            convolution(hidden, out_channels, 1),
            nn.BatchNorm2d(out_channels, eps=norm_eps),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.is_residual else self.conv(x)


class MobileNetV2(Network):
    """A network for photographs on small machines: 17 inverted residual blocks."""

    head_name = "classifier.1"

    def __init__(
        self, num_classes: int, in_channels: int, padding: Padding, norm_eps: float
    ) -> None:
        super().__init__()
        self.embedding_size = 1280
        stem = convolution(in_channels, 32, 3, stride=2, padding=padding)
        self.features = nn.Sequential(
            convolution_block(stem, norm_eps),
            *blocks(padding, norm_eps),
            convolution_block(convolution(STAGES[-1][1], 1280, 1), norm_eps),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))
        he_init(self)
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)

    def chain(self) -> list[nn.Module]:
        return list(self.features)

    def embed(self, x: Tensor) -> Tensor:
        """Return the last feature map's means: `[N, C, H, W]` to `[N, 1280]`."""
        return self.pool(self.features(x))

    def classify(self, embeddings: Tensor) -> Tensor:
        return self.classifier(embeddings)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.classify(self.embed(x))


def blocks(padding: Padding, norm_eps: float) -> list[nn.Module]:
    """Return the inverted residual blocks of Table 2, in order."""
    layers: list[nn.Module] = []
    in_channels = 32
    for t, channels, repeats, stride in STAGES:
        for s in (stride, *[1] * (repeats - 1)):
            layers.append(
                InvertedResidual(in_channels, channels, s, t, padding, norm_eps)
            )
            in_channels = channels
    return layers


def mobilenet_v2(
    num_classes: int = 1000,
    in_channels: int = 3,
    padding: Padding = "symmetric",
    norm_eps: float = 1e-5,
) -> MobileNetV2:
    """Return MobileNetV2 of width 1.0, with the options that its weights require.

    norm_eps: epsilon of batch norm; many TensorFlow weights require 1e-3.
    Raises SettingError for an unknown padding.
    """
    if padding not in get_args(Padding):
        raise SettingError(
            f"padding must be one of {', '.join(get_args(Padding))}. Got {padding!r} "
            "instead. Use 'tensorflow' for weights trained in TensorFlow, otherwise "
            "'symmetric'."
        )
    return MobileNetV2(num_classes, in_channels, padding, norm_eps)
