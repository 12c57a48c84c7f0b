"""What a picture is like before any network saw it: light, contrast, colour, grain.

A network that was fine-tuned has learned to overlook what does not matter to its
classes, and so it may take noise, a black frame or a blurred one for a picture of
theirs. A few numbers of the pixels x themselves tell these apart:

    mean     of each channel
    contrast log std of each channel
    grain    log (mean (x' - x)^2 / (2 var x)), x' the pixel to the right, or below:
             1 minus the correlation of neighbours, near 0 where surfaces are smooth,
             1 for noise (Geary 1954, "The Contiguity Ratio and Statistical Mapping")
    colour   log (1 - var of the channels' mean / mean of their variances): low for grey

Each logarithm is of its argument and a floor, so that what nobody sees says nothing.
"""

import numpy as np
import torch

LINES = 16
"""rows of pixels that are looked at, spread over the picture: as good as all of them"""

FLOOR = 1e-4
"""of variances (that of two or three grey levels in 256) and of grain"""

COLOUR_FLOOR = 1e-2
"""more than the encoding of a grey picture gives"""


def surface(pixels: np.ndarray) -> np.ndarray:
    """Numbers [B, 2 C + 2], and one more where C > 1, of pixels [B, S, S, C] of uint8.

    S must be 2 or more.
    """
    size = pixels.shape[1]
    at = np.linspace(0, size - 2, min(LINES, size - 1)).astype(int)
    lines, below = (torch.from_numpy(pixels[:, rows]).float() for rows in (at, at + 1))
    mean = lines.mean(dim=(1, 2), keepdim=True)
    x = (lines - mean) / 255  # [B, L, S, C]
    variance = x.square().mean(dim=(1, 2))  # [B, C]
    total = variance.mean(dim=1, keepdim=True) + FLOOR
    steps = x[:, :, 1:] - x[:, :, :-1], (below - lines) / 255
    grain = [step.square().mean(dim=(1, 2, 3)) for step in steps]
    found = [
        mean.flatten(1) / 255,
        (variance + FLOOR).log() / 2,
        (torch.stack(grain, dim=1) / (2 * total) + FLOOR).log(),
    ]
    if pixels.shape[3] > 1:
        grey = x.mean(dim=3).square().mean(dim=(1, 2))
        colourful = (total - FLOOR - grey[:, None]) / total
        found.append((colourful.clamp(min=0) + COLOUR_FLOOR).log())
    return torch.cat(found, dim=1).numpy()
