"""Feature visualisation: an image that maximises the activation of a channel or class.

Gradient ascent on pixels gives noise. Three measures give images instead (C. Olah, A.
Mordvintsev, L. Schubert: Feature Visualization, Distill 2017,
https://distill.pub/2017/feature-visualization):

- **Fourier parametrisation**: the steps are taken in the spectrum of the image, in
  which a frequency f has the scale 1 / f of natural images;
- **decorrelated colours**: one channel of brightness, two smaller ones of colour;
- **robustness**: before each step the image is shifted, rotated and zoomed at random.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.compute.runtime import seeded_generator
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.tracing.trace import StepInterpreter, eval_mode, trace_network

STEPS = 256
LEARNING_RATE = 0.05
"""of Adam (Kingma and Ba 2015)"""

COLORS = torch.tensor(
    [
        [0.577, 0.707, 0.408],
        [0.577, 0.0, -0.816],
        [0.577, -0.707, 0.408],
    ]
) * torch.tensor([1.0, 0.35, 0.2])
"""[3, 3] from brightness and two opponent colours to red, green and blue: orthogonal
axes, with roughly the standard deviations of natural images"""

MAX_SHIFT, MAX_ROTATION, MAX_ZOOM = 8, 6.0, 0.08
"""of random views: pixels, degrees, fraction"""

Objective = Callable[[dict[str, Tensor], Tensor], Tensor]
"""the number to maximise, as a function of activations by step and the output"""


class FeatureVisualization(NamedTuple):
    """An image and the activation that it was optimised for."""

    image: Tensor
    """[C, H, W] in 0 to 1"""

    values: list[float]
    """the activation after each step"""


def maximize_channel(layer: str, channel: int) -> tuple[str, Objective]:
    """Return the objective of a channel: the mean of its map, or its activation."""

    def objective(values: dict[str, Tensor], output: Tensor) -> Tensor:
        return values[layer][:, channel].mean()

    return layer, objective


def maximize_class(class_index: int) -> tuple[None, Objective]:
    """Return the objective of a class: its logit."""
    return None, lambda values, output: output[:, class_index].mean()


def visualize_feature(
    network: nn.Module,
    preprocessing: Preprocessing,
    objective: tuple[str | None, Objective],
    *,
    size: int | None = None,
    steps: int = STEPS,
    seed: int = 0,
) -> FeatureVisualization:
    """Return an image that maximises an objective.

    objective: from `maximize_channel` or `maximize_class`. size: pixels; None: the size
    of the network's input. The network is left unchanged.
    """
    size = size or preprocessing.image_size
    steps_done = list(
        _gradient_ascent(network, preprocessing, objective, size, steps, seed)
    )
    return FeatureVisualization(steps_done[-1][0], [value for _, value in steps_done])


def _gradient_ascent(
    network: nn.Module,
    preprocessing: Preprocessing,
    objective: tuple[str | None, Objective],
    size: int,
    steps: int,
    seed: int,
) -> Iterator[tuple[Tensor, float]]:
    """Yield the image and its value after each step."""
    layer, evaluate = objective
    rng = seeded_generator(seed, 7)
    shape = preprocessing.channels, size, size // 2 + 1, 2
    spectrum = (0.01 * torch.randn(shape, generator=rng)).requires_grad_()
    optimizer = torch.optim.Adam([spectrum], lr=LEARNING_RATE)
    activations: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> None:
        if name == layer:
            activations[name] = value

    trainable = [p for p in network.parameters() if p.requires_grad]
    with eval_mode(network), torch.enable_grad():
        graph = trace_network(network)
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            for _ in range(steps):
                optimizer.zero_grad(set_to_none=True)
                image = image_from_spectrum(spectrum, size)
                x = standardize(random_view(image, rng), preprocessing)
                output = StepInterpreter(graph, keep).run(x[None])
                value = evaluate(activations, output)
                (-value).backward()
                optimizer.step()
                image = image_from_spectrum(spectrum, size).detach()
                yield image, float(value.detach())
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)


def image_from_spectrum(spectrum: Tensor, size: int) -> Tensor:
    """Return the image [C, H, W] in 0 to 1 of a spectrum [C, H, W // 2 + 1, 2]."""
    rows, columns = torch.fft.fftfreq(size), torch.fft.rfftfreq(size)
    frequency = torch.sqrt(rows[:, None] ** 2 + columns**2)
    scale = 1 / frequency.clamp(min=1 / size)
    channels = torch.fft.irfft2(
        torch.view_as_complex(spectrum) * scale, s=(size, size), norm="ortho"
    )
    channels = channels / 4
    if len(channels) == 3:
        channels = torch.einsum("ij,jhw->ihw", COLORS, channels)
    return torch.sigmoid(channels)


def random_view(image: Tensor, rng: torch.Generator) -> Tensor:
    """Return an image [C, H, W], slightly shifted, rotated and zoomed."""
    size = image.shape[-1]
    r = 2 * torch.rand(4, generator=rng) - 1
    angle = float(r[0]) * MAX_ROTATION * math.pi / 180
    zoom = 1 + float(r[1]) * MAX_ZOOM
    dx, dy = (2 * MAX_SHIFT / size * r[2:]).tolist()
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    theta = torch.tensor([[[cos, -sin, dx], [sin, cos, dy]]])
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    view = F.grid_sample(
        image[None], grid, padding_mode="reflection", align_corners=False
    )
    return view[0]


def standardize(image: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return an image [C, H, W] in 0 to 1 as the input of the network."""
    moments = torch.tensor([preprocessing.mean, preprocessing.std])
    mean, std = moments.view(2, -1, 1, 1)
    return (image - mean) / std
