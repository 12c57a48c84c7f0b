"""What every network here promises: an embedding, then one dense layer.

::

    x [N, C, H, W] --embed--> z [N, D] --head--> logits [N, num_classes]

The embedding is what transfer learning caches, search compares and a new head is
fitted on, so it is taken before any dropout that stands in front of the head.
"""

from itertools import takewhile
from typing import cast

from torch import Tensor, nn


class Network(nn.Module):
    """A classifier of pictures whose last dense layer can be taken off."""

    head_name: str
    """The last dense layer's name in the state dict, such as `fc`."""

    embedding_size: int
    """D, the number of features that `embed` gives for each picture."""

    @property
    def head(self) -> nn.Linear:
        """The last dense layer: D features in, one logit per class out."""
        return cast(nn.Linear, self.get_submodule(self.head_name))

    def blocks(self) -> list[list[str]]:
        """Names of the parameters, block by block from the picture to the head."""
        found: dict[str, list[str]] = {}
        for name, _ in self.named_parameters():
            found.setdefault(block_of(name), []).append(name)
        return list(found.values())

    def embed(self, x: Tensor) -> Tensor:
        """Describe each picture: `[N, C, H, W]` to `[N, D]`."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Score each picture for each class: `[N, C, H, W]` to `[N, num_classes]`."""
        raise NotImplementedError


def block_of(name: str) -> str:
    """The block that a parameter of this name is in.

    It is what the first part of a name and the numbers right behind it name:
    `layer1.0`, `features.5`; a layer that is no container of others is its own.
    """
    *path, own = name.split(".")
    if not path:  # no layer's: cls_token
        return own
    first, *rest = path
    numbers = list(takewhile(str.isdecimal, rest))
    layer = own in ("weight", "bias") and len(numbers) == len(rest) > 1
    if layer:  # the last number is the layer itself, within its block
        numbers.pop()
    return ".".join([first, *numbers])


def he_init(network: nn.Module) -> None:
    """Draw every convolution so that the variance is kept from layer to layer.

    ::

        w ~ N(0, 2 / (k^2 d))          (14)  d: output channels, k: kernel size

    That form keeps the gradient's variance; eq. (10), with the input channels, keeps
    the signal's, and either one is enough. K. He, X. Zhang, S. Ren, J. Sun: Delving
    Deep into Rectifiers, ICCV 2015, https://arxiv.org/abs/1502.01852, section 2.2.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
