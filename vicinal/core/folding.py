"""Batch norm folded into the convolution before it: one operation instead of two.

Once a network has learned, batch norm is a fixed scale and shift of each channel, and a
convolution followed by one is a convolution with other weights (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 3.2)::

    g (W * x - m) / sqrt(v + eps) + b  =  (k W) * x + (b - k m),   k = g / sqrt(v + eps)
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy for answering whose batch norms stand in the convolutions before them.

    example: a batch that the network takes; what it computes of it shows which
    convolution each batch norm follows. One whose input comes from elsewhere stays.
    """
    plain = copy.deepcopy(network).eval()
    network = copy.deepcopy(plain)
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in _pairs(network, example):
        _put(network, names[conv], fuse_conv_bn_eval(conv, norm))
        _put(network, names[norm], nn.Identity())
    with torch.no_grad():
        off = (network(example) - plain(example)).abs().max()
        same = off <= 1e-3 * plain(example).abs().max() + 1e-6
    return network if same else plain  # what a convolution gave was used elsewhere too


def _pairs(network: nn.Module, example: Tensor) -> list[tuple[Any, Any]]:
    """Convolutions and the batch norms that alone see what they give."""
    made: dict[int, nn.Module] = {}
    kept: list[Tensor] = []  # so that no two tensors get one address
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def after(module: nn.Module, _: Any, out: Tensor) -> None:
        made[id(out)] = module
        kept.append(out)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        conv = made.get(id(inputs[0]))
        if conv is not None:
            pairs.append((conv, module))

    hooks = [m.register_forward_hook(after) for m in _of(network, nn.Conv2d)]
    hooks += [m.register_forward_pre_hook(before) for m in _of(network, NORMS)]
    with torch.no_grad():
        network(example)
    for hook in hooks:
        hook.remove()
    uses = [conv for conv, _ in pairs]
    return [pair for pair in pairs if uses.count(pair[0]) == 1]


def _of(network: nn.Module, kinds: Any) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
