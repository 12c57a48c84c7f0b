"""Faithfulness of a saliency map: delete the pixels that it marks, and insert them.

::

    deletion  = mean over t of f(x without its first t pixels)        lower is better
    insertion = mean over t of f(baseline with its first t pixels)    higher is better

The map gives the order of the pixels, and t runs from none to all (V. Petsiuk, A. Das,
K. Saenko: RISE, BMVC 2018, https://arxiv.org/abs/1806.07421, section 4.1). Because any
compact region changes the output, the map is compared with random controls of equal
smoothness: random maps with the same spectrum (J. Theiler et al. 1992, "Testing for
nonlinearity in time series: the method of surrogate data"). They randomise the phases
of a Fourier transform; here the signs of a cosine transform are random, because a map
is not periodic.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.fft import dctn, idctn
from torch import Tensor

from vicinal.core.report.explanation import Faithfulness

ScoreFunction = Callable[[Tensor], Tensor]
"""maps images [N, C, H, W] to scores [N], probabilities or numbers"""

STEPS = 5
"""steps in which the pixels are deleted"""

CONTROLS = 19
"""random maps; 19 give p = 0.05 for a map that beats all of them"""


def measure_faithfulness(
    score: ScoreFunction,
    x: Tensor,
    saliency: Tensor,
    *,
    baseline: Tensor | None = None,
    seed: int = 0,
    controls: int = CONTROLS,
    steps: int = STEPS,
) -> Faithfulness:
    """Compare a map [H, W] of an image x [C, H, W] with random controls.

    baseline: the image [C, H, W] without content; None: x blurred, which removes detail
    and keeps brightness and colour.
    """
    if baseline is None:
        baseline = gaussian_blur(x.float()).to(x.dtype)
    rng = np.random.default_rng(seed)
    maps = [saliency, *(random_surrogate(saliency, rng) for _ in range(controls))]
    ties = tie_groups(saliency)  # controls have as many equal pixels as the map
    orders = [pixel_ranks(m, ties, rng) for m in maps]
    ends = score(torch.stack([x, baseline]))
    deletion = mean_path_scores(score, x, baseline, orders, steps, ends)
    insertion = mean_path_scores(score, baseline, x, orders, steps, ends)
    gain = insertion - deletion
    as_good = int((gain[1:] >= gain[0]).sum())
    return Faithfulness(
        float(deletion[0]),
        float(deletion[1:].mean()),
        float(insertion[0]),
        float(insertion[1:].mean()),
        (as_good + 1) / (controls + 1),
        controls,
    )


def mean_path_scores(
    score: ScoreFunction,
    before: Tensor,
    after: Tensor,
    orders: list[Tensor],
    steps: int,
    ends: Tensor,
) -> np.ndarray:
    """Return the mean score [M] while pixels change from one image to another.

    orders: M of [H, W], the rank of each pixel, 0 for the first to change. ends: scores
    [2] of both images, in any order.
    """
    fractions = torch.linspace(0, 1, steps + 1)[1:-1]  # the ends are equal for all
    changed = (fractions * before.shape[-2] * before.shape[-1]).view(-1, 1, 1, 1)
    difference = after - before  # bytes wrap around here and in the sum below
    scores = []
    for order in orders:  # a product, because `where` is slow for bytes
        images = before + difference * (order < changed).to(before.dtype)
        scores.append(score(images))
    between = torch.stack(scores).double()
    total = between.sum(dim=1) + ends.double().sum() / 2  # trapezoidal rule
    return (total / steps).numpy()


def pixel_ranks(saliency: Tensor, ties: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Return the rank of each pixel of a map [H, W], 0 for the largest.

    ties: from `tie_groups`. Ranks of one group are shuffled, because equal pixels in
    row order would form a region.
    """
    order = np.argsort(-saliency.flatten().double().numpy())
    n = len(order)
    if ties[-1] < n - 1:
        order = order[np.argsort(ties * n + rng.permutation(n)[order])]
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    return torch.from_numpy(rank).reshape(saliency.shape)


def tie_groups(saliency: Tensor) -> np.ndarray:
    """Return the group number [H W] of each rank; equal values share a group."""
    values = np.sort(-saliency.flatten().double().numpy())
    return np.concatenate([[0], np.cumsum(values[1:] != values[:-1])])


def random_surrogate(saliency: Tensor, rng: np.random.Generator) -> Tensor:
    """Return a random map [H, W] of equal smoothness: same spectrum, random signs."""
    spectrum = dctn(saliency.double().numpy(), norm="ortho")
    signs = rng.choice([-1.0, 1.0], tuple(saliency.shape))
    return torch.from_numpy(idctn(spectrum * signs, norm="ortho"))


def gaussian_blur(x: Tensor, fraction: float = 0.06) -> Tensor:
    """Blur an image x [C, H, W]; sigma is a fraction of its shorter side."""
    side = min(x.shape[-2:])
    sigma = max(1.0, fraction * side)
    radius = min(int(2 * sigma), side - 1)
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype)
    kernel = torch.exp(-((offsets / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1)
    channels = F.pad(x[:, None], (radius, radius, 0, 0), mode="reflect")
    channels = F.pad(
        F.conv2d(channels, kernel[..., None, :]), (0, 0, radius, radius), mode="reflect"
    )
    return F.conv2d(channels, kernel[..., :, None])[:, 0]
