"""Batch norm folded into the preceding convolution.

In evaluation mode batch norm is a fixed scale and shift of each channel, so a
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


def fold_batchnorm(
    network: nn.Module, example: Tensor, *, in_place: bool = True
) -> nn.Module:
    """Return a copy for inference with batch norms folded into convolutions.

    in_place: activations overwrite their input, if the output stays the same.
    example: a batch; running it shows which convolution each batch norm follows. Norms
    with another input are kept.
    """
    plain = copy.deepcopy(network).eval()
    activations = _modules(plain, ACTIVATIONS)
    if not _modules(plain, NORMS) and all(m.inplace == in_place for m in activations):
        return plain
    names = {module: name for name, module in plain.named_modules()}
    with torch.no_grad(), _evaluating(plain):
        pairs, expected = _observe_pairs(plain, example.clone())
        expected = expected.clone()  # it may be overwritten
        for conv, norm in pairs:
            _replace_module(plain, names[conv], fuse_conv_bn_eval(conv, norm))
            _replace_module(plain, names[norm], nn.Identity())
        for module in _modules(plain, ACTIVATIONS):
            module.inplace = in_place
        if _all_close(_embed(plain, example.clone()), expected):
            return plain
    return copy.deepcopy(network).eval()  # an overwritten tensor was used again


Pair = tuple[Any, Any]
"""a convolution and the batch norm that follows it"""


@contextlib.contextmanager
def frozen_batchnorm(network: nn.Module, pairs: list[Pair] | None) -> Iterator[None]:
    """Train with fixed batch statistics, folded into the convolutions.

    Small batches estimate the statistics poorly, and a head fitted under the pretrained
    ones no longer fits. So m and v stay fixed, while W, g and b are trained. A step is
    a quarter shorter, because a product with [N, C, H, W] becomes one with W. At the
    end of the `with` block the network is restored.

    pairs: from `find_conv_bn_pairs`; None: nothing is changed.
    """
    if pairs is None:
        yield
        return
    norms = [module for module in _modules(network, NORMS) if module.training]
    for norm in norms:
        norm.eval()
    for conv, norm in pairs:
        conv._conv_forward = _folded_forward(conv, norm)
        norm.forward = _identity
    try:
        yield
    finally:
        for conv, norm in pairs:
            del conv._conv_forward, norm.forward
        for norm in norms:
            norm.train()


def set_training(model: nn.Module) -> None:
    """Set training mode, except for frozen modules, whose statistics stay fixed."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            module.eval()


def _folded_forward(conv: Any, norm: Any) -> Callable[..., Tensor]:
    """Return the forward function of a convolution with a batch norm in its weights."""
    plain = conv._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        k = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        mean = norm.running_mean if bias is None else norm.running_mean - bias
        return plain(x, weight * k.view(-1, 1, 1, 1), norm.bias - k * mean)

    return forward


def _identity(x: Tensor) -> Tensor:
    return x


def find_conv_bn_pairs(network: nn.Module, example: Tensor) -> list[Pair]:
    """Return the convolutions whose output is used by a batch norm only, with the norm.

    Only plain layers: some of timm's standardise their weights or include an
    activation. The pairs are tested: if the folded network computes something else, for
    example because it uses a convolution's output elsewhere, there are no pairs.
    """
    if not _modules(network, NORMS):
        return []
    with torch.no_grad(), _evaluating(network):
        pairs, expected = _observe_pairs(network, example)
        with frozen_batchnorm(network, pairs):
            same = _all_close(_embed(network, example), expected)
            return pairs if same else []


def _embed(network: Any, x: Tensor) -> Tensor:
    """Return the output before the head, because a head of zeros would hide errors."""
    return getattr(network, "embed", network)(x)


def _all_close(out: Tensor, expected: Tensor) -> bool:
    """Return True if two outputs are equal up to rounding."""
    error = (out - expected).abs().max()
    return bool(error <= 1e-3 * expected.abs().max() + 1e-6)


def _observe_pairs(network: nn.Module, example: Tensor) -> tuple[list[Pair], Tensor]:
    """Run the network; return convolutions with their batch norms, and the output."""
    source: dict[int, nn.Module] = {}
    alive: list[Tensor] = []  # so that no two tensors have the same id
    pairs: list[tuple[nn.Module, nn.Module]] = []
    plain_convs: set[nn.Module] = set()

    def after(module: nn.Module, _: Any, out: Tensor) -> None:
        if module in plain_convs:
            source[id(out)] = module
            alive.append(out)

    def before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        conv = source.get(id(inputs[0]))
        if conv is not None:
            pairs.append((conv, module))

    convolutions = _modules(network, nn.Conv2d)
    for conv in convolutions:
        conv._conv_forward = _recording_forward(conv, plain_convs)
    plain = nn.BatchNorm2d.forward
    norms = [
        m
        for m in _modules(network, NORMS)
        if type(m).forward is plain and _has_statistics(m)
    ]
    hooks = [m.register_forward_hook(after) for m in convolutions]
    hooks += [m.register_forward_pre_hook(before) for m in norms]
    try:
        out = _embed(network, example)
    finally:
        for hook in hooks:
            hook.remove()
        for conv in convolutions:
            del conv._conv_forward
    used = [module for pair in pairs for module in pair]
    return [p for p in pairs if used.count(p[0]) == used.count(p[1]) == 1], out


def _has_statistics(norm: Any) -> bool:
    """Return True for a batch norm with scale, shift and running statistics."""
    return norm.weight is not None and norm.running_var is not None


def _recording_forward(conv: Any, plain_convs: set[nn.Module]) -> Callable[..., Tensor]:
    """Return the convolution's forward function; record if it uses the layer's weight.

    Only then does a folded weight have an effect.
    """
    plain = conv._conv_forward

    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if weight is conv.weight:
            plain_convs.add(conv)
        return plain(x, weight, bias)

    return forward


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Use evaluation mode and full float32 in the `with` block."""
    before = {module: module.training for module in network.modules()}
    cudnn = torch.backends.cudnn
    allow_tf32, cudnn.allow_tf32 = cudnn.allow_tf32, False
    network.eval()
    try:
        yield
    finally:
        cudnn.allow_tf32 = allow_tf32
        for module, training in before.items():
            module.training = training


def _modules(network: nn.Module, kinds: Any) -> list[Any]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def _replace_module(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
