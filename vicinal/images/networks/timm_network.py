"""Any backbone of timm that ends in a dense layer, with the interface of `Network`.

`timm:efficientnet_b0` is timm's `efficientnet_b0`; tensors keep timm's names, under
`network.`. timm (Wightman, https://github.com/huggingface/pytorch-image-models) is an
optional dependency: pip install 'vicinal[timm]'.
"""

import difflib
import re
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import MissingExtraError, SettingError
from vicinal.images.networks.base import Network

PREFIX = "timm:"
"""prefix of the names of these networks"""

TENSOR_PREFIX = "network."
"""prefix of the names of their tensors"""

MIN_SIZE = 32
"""pixels per side: most of them halve the feature map five times"""


class TimmNetwork(Network):
    """A network of timm: its pooled features and its last dense layer."""

    def __init__(
        self, name: str, num_classes: int, in_channels: int, image_size: int | None
    ) -> None:
        super().__init__()
        config = timm_config(name)
        options: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_channels}
        if image_size not in (None, config.input_size[1]) and config.fixed_input_size:
            options["img_size"] = image_size  # it has weights for each position
        try:
            self.network = import_timm(name).create_model(name, **options)
        except TypeError as error:
            if "img_size" not in options:
                raise
            raise SettingError(
                f"image_size must be {config.input_size[1]} pixels for {PREFIX}{name}. "
                f"Got {image_size} instead. Leave --image-size out."
            ) from error
        head = self.network.get_classifier()
        if not isinstance(head, nn.Linear):
            raise SettingError(
                f"{PREFIX}{name} must end in a dense layer, the head. It ends in "
                f"{type(head).__name__}. Choose another network."
            )
        if image_size not in (None, config.input_size[1]):
            self._check_size(torch.zeros(1, in_channels, image_size, image_size), name)
        names = {module: name for name, module in self.network.named_modules()}
        self.head_name = f"{TENSOR_PREFIX}{names[head]}"
        self.embedding_size = head.in_features

    @torch.no_grad()
    def _check_size(self, x: Tensor, name: str) -> None:
        """Raise SettingError where the network does not take images of this size."""
        if x.is_meta:
            return
        try:
            self.network.eval()(x)
        except (RuntimeError, AssertionError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise SettingError(
                f"{PREFIX}{name} does not take images of {x.shape[-1]} pixels "
                f"({reason}). Leave --image-size out, or choose another size."
            ) from error
        finally:
            self.network.train()

    def blocks(self) -> list[list[str]]:
        """Return the names of the parameters by timm's blocks, the head last."""
        group_parameters = import_module("timm.models").group_parameters
        groups = group_parameters(
            self.network, self.network.group_matcher(coarse=False)
        )
        blocks = [
            [f"{TENSOR_PREFIX}{name}" for name in groups[k]] for k in sorted(groups)
        ]
        prefix = f"{self.head_name}."
        body = [[n for n in block if not n.startswith(prefix)] for block in blocks]
        head = [n for block in blocks for n in block if n.startswith(prefix)]
        return [*filter(None, body), head]

    def embed(self, x: Tensor) -> Tensor:
        """Return the input of the head: `[N, C, H, W]` to `[N, D]`."""
        maps = self.network.forward_features(x)
        return self.network.forward_head(maps, pre_logits=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.head(self.embed(x))


def import_timm(name: str) -> Any:
    """Return the library; MissingExtraError says that `timm:name` needs it.

    SettingError for a name that is not one of timm's own, such as a place on the hub.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise SettingError(
            f"{PREFIX}NAME must be a network of timm: letters, digits and _ . -. Got "
            f"{name!r} instead."
        )
    try:
        return import_module("timm")
    except (ImportError, RuntimeError) as error:  # RuntimeError: see below
        raise MissingExtraError(
            f"{PREFIX}{name} needs timm, which cannot be imported here ({error}). "
            "Install it: pip install 'vicinal[timm]'. If it is installed, its "
            "torchvision may be built for another version of torch: install both from "
            "the same index."
        ) from error


def timm_config(name: str) -> Any:
    """Return timm's configuration of an architecture or of weights.

    Raises SettingError for an unknown name.
    """
    timm = import_timm(name)
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # a tag that the architecture does not have
        config = None
    if config is not None:
        return config
    names = timm.list_models() if "." not in name else timm.list_pretrained()
    similar = difflib.get_close_matches(name, names, n=3)
    hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
    kind, function = "network", "list_models"
    if "." in name:
        kind, function = "weights", "list_pretrained"
    raise SettingError(
        f"timm has no {kind} named {name!r}. {hint}All of its names: "
        f"python -c 'import timm; print(*timm.{function}())'"
    )


@cache
def count_parameters(name: str) -> int:
    """Return the number of parameters of a timm architecture, with its own classes."""
    with torch.device("meta"):
        network = import_timm(name).create_model(name)
    return sum(p.numel() for p in network.parameters())
