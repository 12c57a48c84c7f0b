"""The filters of the first convolution, as pictures: what a network looks for first."""

import torch
from torch import Tensor, nn

from vicinal.errors import SettingError


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """The name and the layer; SettingError for a network without convolutions."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise SettingError(
        f"{type(network).__name__} has no convolution, so it has no filters to show."
    )


def filter_pictures(network: nn.Module) -> Tensor:
    """The first convolution's kernels [O, kh, kw, C] in 0 to 1, grey where they are 0.

    Each is scaled by its own largest weight: what counts is its form.
    """
    kernels = first_convolution(network)[1].weight.detach().float().cpu()
    largest = kernels.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    return (0.5 + kernels / largest / 2).permute(0, 2, 3, 1).contiguous()


def kind_of(kernel: Tensor) -> str:
    """What a filter [C, kh, kw] answers to, in a word: an edge, a colour, a blur ...

    By where its energy is. Nearly all in the mean over places: it sees colour (its
    channels differ) or light (they do not). Else, with one sign, a blur, and otherwise
    an edge or a texture, across the direction in which it changes most.
    """
    kernel = kernel.detach().double()
    energy = float(kernel.square().sum())
    if not energy:
        return "nothing: all its weights are 0"
    mean = kernel.mean(dim=(1, 2), keepdim=True)
    if float(mean.square().sum()) * kernel[0].numel() > 0.9 * energy:
        apart = float((mean - mean.mean()).square().sum())
        return "colour" if apart > 0.5 * float(mean.square().sum()) else "light"
    grey = kernel.sum(dim=0)
    if float((grey.sum()).abs()) > 0.9 * float(grey.abs().sum()):
        return "a blur"
    down, across = torch.gradient(grey) if min(grey.shape) > 1 else (grey, grey)
    vertical, horizontal = float(down.square().sum()), float(across.square().sum())
    if max(vertical, horizontal) > 2 * min(vertical, horizontal):
        return "a horizontal edge" if vertical > horizontal else "a vertical edge"
    return "a slanted edge or a texture"
