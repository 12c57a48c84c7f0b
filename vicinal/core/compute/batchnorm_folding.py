"""Batch norm folded into the convolution before it: one operation instead of two.

Once a network has learned, batch norm is a fixed scale and shift of each channel, and a
convolution followed by one is a convolution with other weights (Jacob et al. 2018,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", section 3.2)::

    g (W * x - m) / sqrt(v + eps) + b  =  (k W) * x + (b - k m),   k = g / sqrt(v + eps)
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU)


def folded(network: nn.Module, example: Tensor, *, in_place: bool = True) -> nn.Module:
    """A copy for answering whose batch norms stand in the convolutions before them.

    in_place: activations write over what they are given, where that changes nothing.
    example: a batch that the network takes; what it computes of it shows which
    convolution each batch norm follows. One whose input comes from elsewhere stays.
    """
    plain = copy.deepcopy(network).eval()
    acting = [m.inplace for m in _of(plain, ACTIVATIONS)]
    if not _of(plain, NORMS) and all(was == in_place for was in acting):
        return plain
    names = {module: name for name, module in plain.named_modules()}
    with torch.no_grad(), _answering(plain):
        pairs, said = _seen_pairs(plain, example.clone())
        said = said.clone()  # it may be written over
        for conv, norm in pairs:
            _put(plain, names[conv], fuse_conv_bn_eval(conv, norm))
            _put(plain, names[norm], nn.Identity())
        for module in _of(plain, ACTIVATIONS):
            module.inplace = in_place
        if _same(_ahead(plain, example.clone()), said):
            return plain
    return copy.deepcopy(network).eval()  # something was written over and used again


Pair = tuple[Any, Any]
"""a convolution, and the batch norm that it feeds"""


@contextlib.contextmanager
def frozen_batchnorm(network: nn.Module, pairs: list[Pair] | None) -> Iterator[None]:
    """Learn with batch norms whose statistics stay, each in its convolution.

    What trained weights say was said under the statistics they came with; a small batch
    estimates others poorly, and a head that was fitted before no longer fits. So m and
    v stay, while W, g and b learn; and a step is a quarter shorter, since a product of
    [N, C, H, W] becomes one of W. Outside this context the network is as it was.

    pairs: of `find_conv_bn_pairs`; None: nothing is changed.
    """
    if pairs is None:
        yield
        return
    norms = [module for module in _of(network, NORMS) if module.training]
    for norm in norms:
        norm.eval()
    for conv, norm in pairs:
        conv._conv_forward = _folding(conv, norm)
        norm.forward = _unchanged
    try:
        yield
    finally:
        for conv, norm in pairs:
            del conv._conv_forward, norm.forward
        for norm in norms:
            norm.train()


def _folding(conv: Any, norm: Any) -> Callable[..., Tensor]:
    """The convolution's own rule, with the batch norm's numbers in its weights."""
    plain = conv._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        k = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        mean = norm.running_mean if bias is None else norm.running_mean - bias
        return plain(x, weight * k.view(-1, 1, 1, 1), norm.bias - k * mean)

    return forward


def _unchanged(x: Tensor) -> Tensor:
    return x


def find_conv_bn_pairs(network: nn.Module, example: Tensor) -> list[Pair]:
    """Convolutions and the batch norms that alone see what they give.

    Only such as do nothing else: a layer that, as some of timm's, has a rule of its own
    (weights made anew, an activation behind) is no part of any pair. What was found is
    tried: where the network then computes something else, as one that adds what a
    convolution gave to what its norm made of it, there are no pairs.
    """
    if not _of(network, NORMS):
        return []
    with torch.no_grad(), _answering(network):
        pairs, plain = _seen_pairs(network, example)
        with frozen_batchnorm(network, pairs):
            return pairs if _same(_ahead(network, example), plain) else []


def _ahead(network: Any, x: Tensor) -> Tensor:
    """What a network computes, up to its head: a head of zeros would hide it."""
    return getattr(network, "embed", network)(x)


def _same(out: Tensor, plain: Tensor) -> bool:
    """Whether two forms of a network compute the same, but for rounding."""
    off = (out - plain).abs().max()
    return bool(off <= 1e-3 * plain.abs().max() + 1e-6)


def _seen_pairs(network: nn.Module, example: Tensor) -> tuple[list[Pair], Tensor]:
    """Each batch norm given what one convolution gave; and what the network gives."""
    made: dict[int, nn.Module] = {}
    kept: list[Tensor] = []  # so that no two tensors get one address
    pairs: list[tuple[nn.Module, nn.Module]] = []
    usual: set[nn.Module] = set()

    def after(module: nn.Module, _: Any, out: Tensor) -> None:
        if module in usual:
            made[id(out)] = module
            kept.append(out)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        conv = made.get(id(inputs[0]))
        if conv is not None:
            pairs.append((conv, module))

    convolutions = _of(network, nn.Conv2d)
    for conv in convolutions:
        conv._conv_forward = _noting(conv, usual)
    plain = nn.BatchNorm2d.forward
    norms = [m for m in _of(network, NORMS) if type(m).forward is plain and _whole(m)]
    hooks = [m.register_forward_hook(after) for m in convolutions]
    hooks += [m.register_forward_pre_hook(before) for m in norms]
    try:
        out = _ahead(network, example)
    finally:
        for hook in hooks:
            hook.remove()
        for conv in convolutions:
            del conv._conv_forward
    used = [module for pair in pairs for module in pair]
    return [p for p in pairs if used.count(p[0]) == used.count(p[1]) == 1], out


def _whole(norm: Any) -> bool:
    """Whether a batch norm has a scale and a shift, and statistics that it keeps."""
    return norm.weight is not None and norm.running_var is not None


def _noting(conv: Any, usual: set[nn.Module]) -> Callable[..., Tensor]:
    """The convolution's own rule; that it was asked with the layer's weights is noted.

    Only then do other weights in their place change what it gives.
    """
    plain = conv._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if weight is conv.weight:
            usual.add(conv)
        return plain(x, weight, bias)

    return forward


@contextlib.contextmanager
def _answering(network: nn.Module) -> Iterator[None]:
    """Have every module answer rather than learn, in full float32; then as it was."""
    before = {module: module.training for module in network.modules()}
    cudnn = torch.backends.cudnn
    rounds, cudnn.allow_tf32 = cudnn.allow_tf32, False
    network.eval()
    try:
        yield
    finally:
        cudnn.allow_tf32 = rounds
        for module, training in before.items():
            module.training = training


def _of(network: nn.Module, kinds: Any) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def _put(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
