"""Any backbone of timm that ends in a dense layer, as a network of this house.

`timm:efficientnet_b0` is timm's `efficientnet_b0`; tensors keep timm's names, under
`network.`. timm (Wightman, https://github.com/huggingface/pytorch-image-models) is an
extra of its own: pip install 'vicinal[timm]'.
"""

import difflib
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from vicinal.errors import MissingExtraError, SettingError
from vicinal.images.networks.base import Network

PREFIX = "timm:"
"""begins the names of these networks"""

INSIDE = "network."
"""begins the names of their tensors"""

SMALLEST = 32
"""pixels on a side: most of them halve the map five times"""


class TimmNetwork(Network):
    """A network of timm: its features, pooled, and its last dense layer."""

    def __init__(
        self, name: str, num_classes: int, in_channels: int, image_size: int | None
    ) -> None:
        super().__init__()
        config = timm_config(name)
        options: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_channels}
        if image_size not in (None, config.input_size[1]) and config.fixed_input_size:
            options["img_size"] = image_size  # it has weights for each place
        try:
            self.network = timm_for(name).create_model(name, **options)
        except TypeError as error:
            if "img_size" not in options:
                raise
            raise SettingError(
                f"{PREFIX}{name} takes pictures of {config.input_size[1]} pixels and "
                f"no others. Got {image_size} instead; leave --image-size out."
            ) from error
        head = self.network.get_classifier()
        if not isinstance(head, nn.Linear):
            raise SettingError(
                f"{PREFIX}{name} does not end in one dense layer but in "
                f"{type(head).__name__}, so no head can be fitted there. Take another."
            )
        if image_size not in (None, config.input_size[1]):
            self._try(torch.zeros(1, in_channels, image_size, image_size), name)
        names = {module: name for name, module in self.network.named_modules()}
        self.head_name = f"{INSIDE}{names[head]}"
        self.embedding_size = head.in_features

    @torch.no_grad()
    def _try(self, x: Tensor, name: str) -> None:
        """SettingError where the network takes no pictures of this size."""
        if x.is_meta:
            return
        try:
            self.network.eval()(x)
        except (RuntimeError, AssertionError, ValueError) as error:
            why = str(error).strip().split("\n")[0]
            raise SettingError(
                f"{PREFIX}{name} takes no pictures of {x.shape[-1]} pixels ({why}). "
                "Leave --image-size out, or give another."
            ) from error
        finally:
            self.network.train()

    def blocks(self) -> list[list[str]]:
        """Names of the parameters, block by block as timm has it, the head last."""
        group_parameters = import_module("timm.models").group_parameters
        found = group_parameters(self.network, self.network.group_matcher(coarse=False))
        blocks = [[f"{INSIDE}{name}" for name in found[k]] for k in sorted(found)]
        own = f"{self.head_name}."
        body = [[n for n in block if not n.startswith(own)] for block in blocks]
        head = [n for block in blocks for n in block if n.startswith(own)]
        return [*filter(None, body), head]

    def embed(self, x: Tensor) -> Tensor:
        """What the head is given: `[N, C, H, W]` to `[N, D]`."""
        maps = self.network.forward_features(x)
        return self.network.forward_head(maps, pre_logits=True)

    def forward(self, x: Tensor) -> Tensor:
        """Logits: `[N, C, H, W]` to `[N, num_classes]`."""
        return self.head(self.embed(x))


def timm_for(name: str) -> Any:
    """The library; MissingExtraError says that `timm:name` needs it."""
    try:
        return import_module("timm")
    except (ImportError, RuntimeError) as error:  # RuntimeError: see below
        raise MissingExtraError(
            f"{PREFIX}{name} needs timm, which cannot be imported here ({error}). "
            "Install it: pip install 'vicinal[timm]'. If it is installed, its "
            "torchvision may be made for another build of torch: install both from "
            "the same place."
        ) from error


def timm_config(name: str) -> Any:
    """timm's description of an architecture, or of weights, `resnet18.a1_in1k`.

    Raises SettingError for a name that it does not know.
    """
    timm = timm_for(name)
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # a tag that the architecture does not have
        config = None
    if config is not None:
        return config
    known = timm.list_models() if "." not in name else timm.list_pretrained()
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    what, listed = "network", "models"
    if "." in name:
        what, listed = "weights", "pretrained"
    raise SettingError(
        f"timm knows no {what} named {name!r}. {hint}All of its names: "
        f"python -c 'import timm; print(*timm.list_{listed}())'"
    )


@cache
def parameters_of(name: str) -> int:
    """Numbers that an architecture of timm learns, with its own classes."""
    with torch.device("meta"):
        network = timm_for(name).create_model(name)
    return sum(p.numel() for p in network.parameters())
