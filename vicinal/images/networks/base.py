"""The interface of all image networks: an embedding, then one dense layer.

::

    x [N, C, H, W] --embed--> z [N, D] --head--> logits [N, num_classes]

New heads are fitted on embeddings, and near duplicates are found by them, so they are
taken before any dropout in front of the head.
"""

from itertools import takewhile
from typing import cast

from torch import Tensor, nn


class Network(nn.Module):
    """An image classifier whose last dense layer can be replaced."""

    head_name: str
    """name of the last dense layer in the state dict, such as `fc`"""

    embedding_size: int
    """D, the number of features of an embedding"""

    @property
    def head(self) -> nn.Linear:
        """The last dense layer: D features in, one logit per class out."""
        return cast(nn.Linear, self.get_submodule(self.head_name))

    def blocks(self) -> list[list[str]]:
        """Return the names of the parameters, block by block from input to head."""
        blocks: dict[str, list[str]] = {}
        for name, _ in self.named_parameters():
            blocks.setdefault(block_name(name), []).append(name)
        return list(blocks.values())

    def embed(self, x: Tensor) -> Tensor:
        """Return embeddings: `[N, C, H, W]` to `[N, D]`."""
        raise NotImplementedError

    def chain(self) -> list[nn.Module]:
        """Return the modules that `embed` applies one after the other before `pool`.

        Empty for a network that is not such a chain.
        """
        return []

    def pool(self, maps: Tensor) -> Tensor:
        """Return the embeddings of the chain's output: `[N, D, H, W]` to `[N, D]`."""
        return maps.mean((2, 3))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Return logits, with dropout in training: `[N, D]` to `[N, num_classes]`."""
        return self.head(embeddings)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        raise NotImplementedError


def block_name(name: str) -> str:
    """Return the block of a parameter by its name.

    It is the first part of the name with the numbers that follow: `layer1.0`,
    `features.5`. A layer outside any container is a block by itself.
    """
    *path, leaf = name.split(".")
    if not path:  # a parameter outside any layer: cls_token
        return leaf
    first, *rest = path
    numbers = list(takewhile(str.isdecimal, rest))
    ends_in_layer = leaf in ("weight", "bias") and len(numbers) == len(rest) > 1
    if ends_in_layer:  # the last number is the layer itself, within its block
        numbers.pop()
    return ".".join([first, *numbers])


def he_init(network: nn.Module) -> None:
    """Initialize every convolution so that the gradient's variance stays the same.

    ::

        w ~ N(0, 2 / (k^2 d))          (14)  d: output channels, k: kernel size

    Eq. (10), with the input channels, keeps the variance of the activations instead;
    either is enough. K. He, X. Zhang, S. Ren, J. Sun: Delving
    Deep into Rectifiers, ICCV 2015, https://arxiv.org/abs/1502.01852, section 2.2.
    """
    for module in network.modules():
        # torch imports its compiler to draw numbers for a tensor without data
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
