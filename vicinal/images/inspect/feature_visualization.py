"""A picture that is made to excite a channel, or a class: what it would love to see.

Steepest ascent on pixels finds noise. Three things lead to pictures (C. Olah, A.
Mordvintsev, L. Schubert: Feature Visualization, Distill 2017,
https://distill.pub/2017/feature-visualization):

- **Fourier parametrisation**: the steps are taken in the picture's spectrum, where each
  frequency f has the scale 1 / f that it has in photographs;
- **colours that vary apart**: one channel for light, two for colour that are smaller;
- **robustness**: before each step the picture is shifted, turned and zoomed a little,
  so that only what survives this is left.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute.runtime import generator
from vicinal.images.data.decode import Preprocessing
from vicinal.images.tracing.trace import Run, answering, traced

STEPS = 256
RATE = 0.05
"""of Adam (Kingma and Ba 2015)"""

COLOURS = torch.tensor(
    [
        [0.577, 0.707, 0.408],
        [0.577, 0.0, -0.816],
        [0.577, -0.707, 0.408],
    ]
) * torch.tensor([1.0, 0.35, 0.2])
"""[3, 3] from light and two opposed colours to red, green and blue: orthogonal axes, of
the spreads that they have in photographs, roughly"""

SHIFT, TURN, ZOOM = 8, 6.0, 0.08
"""pixels, degrees, share: how far a view may be off"""

Excites = Callable[[dict[str, Tensor], Tensor], Tensor]
"""the number to make large, of the values of the steps asked for and the output"""


class Synthesis(NamedTuple):
    """What came of it."""

    picture: Tensor
    """[C, H, W] in 0 to 1"""
    values: list[float]
    """the number that grew, step by step"""


def channel_of(layer: str, channel: int) -> tuple[str, Excites]:
    """The mean of one map of a layer, or one number of a row."""

    def excites(values: dict[str, Tensor], out: Tensor) -> Tensor:
        return values[layer][:, channel].mean()

    return layer, excites


def class_of(row: int) -> tuple[None, Excites]:
    """One class's logit."""
    return None, lambda values, out: out[:, row].mean()


def synthesise(
    network: nn.Module,
    how: Preprocessing,
    wanted: tuple[str | None, Excites],
    *,
    size: int | None = None,
    steps: int = STEPS,
    seed: int = 0,
) -> Synthesis:
    """Make a picture that excites what is wanted (`channel_of`, `class_of`).

    how: the preprocessing that the network was trained with; size: pixels, those of its
    input unless given. The network is left as it was.
    """
    side = size or how.image_size
    found = list(_ascend(network, how, wanted, side, steps, seed))
    return Synthesis(found[-1][0], [value for _, value in found])


def _ascend(
    network: nn.Module,
    how: Preprocessing,
    wanted: tuple[str | None, Excites],
    size: int,
    steps: int,
    seed: int,
) -> Iterator[tuple[Tensor, float]]:
    """The picture and what it excites, step by step."""
    layer, excites = wanted
    g = generator(seed, 7)
    shape = how.channels, size, size // 2 + 1, 2
    spectrum = (0.01 * torch.randn(shape, generator=g)).requires_grad_()
    optimizer = torch.optim.Adam([spectrum], lr=RATE)
    seen: dict[str, Tensor] = {}

    def watch(name: str, value: Tensor) -> None:
        if name == layer:
            seen[name] = value

    trained = [p for p in network.parameters() if p.requires_grad]
    with answering(network), torch.enable_grad():
        graph = traced(network)
        for parameter in trained:  # only the picture learns
            parameter.requires_grad_(False)
        try:
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                picture = painted(spectrum, size)
                x = prepared(viewed(picture, g), how)
                value = excites(seen, Run(graph, watch).run(x[None]))
                (-value).backward()
                optimizer.step()
                yield painted(spectrum, size).detach(), float(value.detach())
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)


def painted(spectrum: Tensor, size: int) -> Tensor:
    """A picture [C, H, W] in 0 to 1 of its spectrum [C, H, W // 2 + 1, 2]."""
    down, across = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    frequency = torch.sqrt(down[:, None] ** 2 + across**2)
    scale = 1 / frequency.clamp(min=1 / size)
    planes = torch.fft.irfft2(
        torch.view_as_complex(spectrum) * scale, s=(size, size), norm="ortho"
    )
    planes = planes / 4
    if len(planes) == 3:
        planes = torch.einsum("ij,jhw->ihw", COLOURS, planes)
    return torch.sigmoid(planes)


def viewed(picture: Tensor, g: torch.Generator) -> Tensor:
    """A view of a picture [C, H, W] that is a little shifted, turned and zoomed."""
    size = picture.shape[-1]
    r = 2 * torch.rand(4, generator=g) - 1
    angle = float(r[0]) * TURN * math.pi / 180
    zoom = 1 + float(r[1]) * ZOOM
    dx, dy = (2 * SHIFT / size * r[2:]).tolist()
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    theta = torch.tensor([[[cos, -sin, dx], [sin, cos, dy]]])
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    seen = F.grid_sample(
        picture[None], grid, padding_mode="reflection", align_corners=False
    )
    return seen[0]


def prepared(picture: Tensor, how: Preprocessing) -> Tensor:
    """A picture [C, H, W] in 0 to 1 as the network's input."""
    told = torch.tensor([how.mean, how.std]).view(2, -1, 1, 1)
    return (picture - told[0]) / told[1]
