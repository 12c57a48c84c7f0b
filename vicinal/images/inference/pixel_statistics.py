"""Statistics of the pixels of an image: brightness, contrast, grain, colour.

A fine-tuned network ignores what does not distinguish its classes, so it may take
noise, a black frame or a blurred image for one of them. A few statistics of the pixels
x in 0..1 tell these apart:

    mean      of each channel
    contrast  log std of each channel
    grain     log (mean (x' - x)^2 / (2 var x)), x' the pixel to the right, or below:
              1 minus the autocorrelation, near 0 on smooth surfaces and 1 for noise
              (Geary 1954, "The Contiguity Ratio and Statistical Mapping")
    colour    log (1 - var of the channels' mean / mean of their variances), low if grey

A floor is added before each logarithm, so that invisible differences do not count.
"""

import numpy as np
import torch

MAX_LINES = 16
"""rows of pixels that are used, evenly spaced: as good as all of them"""

FLOOR = 1e-4
"""of variances (that of two or three grey levels in 256) and of grain"""

COLOUR_FLOOR = 1e-2
"""above what lossy encoding of a grey image adds"""


def compute_pixel_statistics(pixels: np.ndarray) -> np.ndarray:
    """Return statistics [B, 2 C + 2], or + 3 where C > 1, of pixels [B, S, S, C] uint8.

    S must be 2 or more.
    """
    size = pixels.shape[1]
    rows = np.linspace(0, size - 2, min(MAX_LINES, size - 1)).astype(int)
    lines, below = (torch.from_numpy(pixels[:, r]).float() for r in (rows, rows + 1))
    mean = lines.mean(dim=(1, 2), keepdim=True)
    x = (lines - mean) / 255  # [B, L, S, C]
    variance = x.square().mean(dim=(1, 2))  # [B, C]
    total = variance.mean(dim=1, keepdim=True) + FLOOR
    differences = x[:, :, 1:] - x[:, :, :-1], (below - lines) / 255
    grain = [difference.square().mean(dim=(1, 2, 3)) for difference in differences]
    statistics = [
        mean.flatten(1) / 255,
        (variance + FLOOR).log() / 2,
        (torch.stack(grain, dim=1) / (2 * total) + FLOOR).log(),
    ]
    if pixels.shape[3] > 1:
        grey = x.mean(dim=3).square().mean(dim=(1, 2))
        colour = (total - FLOOR - grey[:, None]) / total
        statistics.append((colour.clamp(min=0) + COLOUR_FLOOR).log())
    return torch.cat(statistics, dim=1).numpy()
