"""Random views of whole batches, as tensors, seeded.

Each picture gets its own affine map from output to input places, and one
`grid_sample` applies all of them at once (Jaderberg et al. 2015, "Spatial Transformer
Networks", section 3). The network sees a new view of each picture in each epoch, and
the label stays: shifts, turns, zooms, mirroring and colour are made not to matter.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vicinal.images.data.decode import Preprocessing
from vicinal.images.data.preprocess import _planes, cropped, normalise


@dataclass(frozen=True)
class Augmentation:
    """How far a random view may go; the default changes nothing."""

    rotate: float = 0.0
    """degrees to either side"""

    shift: float = 0.0
    """share of the width to each side"""

    zoom: tuple[float, float] = (1.0, 1.0)
    """share of the width that is seen, from and to"""

    stretch: float = 1.0
    """largest ratio of the two zooms"""

    mirror: bool = False
    """left and right change places in every second view"""

    colour: float = 0.0
    """largest relative change of brightness, contrast and saturation"""


PHOTO = 64
"""pixels from which a picture is taken for a photograph"""

AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "light": Augmentation(rotate=12, shift=0.08, zoom=(0.9, 1.1), stretch=1.1),
    "photo": Augmentation(
        rotate=5, shift=0.3, zoom=(0.6, 1.0), stretch=4 / 3, mirror=True, colour=0.25
    ),
}


def choose(name: str, preprocessing: Preprocessing) -> Augmentation:
    """The augmentation of that name; auto looks at size and channels."""
    if name == "auto":
        large = preprocessing.image_size >= PHOTO and preprocessing.channels == 3
        name = "photo" if large else "light"
    return AUGMENTATIONS[name]


WHOLE = slice(None)


def augmented(
    pixels: Tensor,
    how: Augmentation,
    preprocessing: Preprocessing,
    g: Generator,
    n: int | None = None,
    mine: slice = WHOLE,
) -> Tensor:
    """Random views of a batch as the network's input.

    pixels: [B, S, S, C] uint8; gives [B, C, H, W] float32, on the device of the pixels,
    from numbers drawn on the CPU. Where these are some of a batch of `n`, its rows
    `mine`, they get the views that the whole batch would give.
    """
    if how == Augmentation():
        return cropped(pixels, preprocessing)
    x = _planes(pixels)
    size = preprocessing.image_size
    n = len(x) if n is None else n
    theta = random_maps(n, how, g, size / preprocessing.store_size)[mine]
    shape = [len(x), 1, size, size]
    grid = F.affine_grid(theta.to(x.device), shape, align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if how.colour:
        factors = 1 + _uniform(3 * n, -how.colour, how.colour, g).view(3, n)
        x = recoloured(x, factors[:, mine].to(x.device))
    return normalise(x, preprocessing)


def random_maps(n: int, how: Augmentation, g: Generator, scale: float) -> Tensor:
    """Affine maps [n, 2, 3] from places of the view to places of the picture.

    Places run from -1 to 1. `scale` is the share of the stored picture that a view
    without zoom covers. A view is shifted no further than the picture's edge where it
    is smaller than the picture, and by `shift` where it is not.
    """
    angle = _uniform(n, -how.rotate, how.rotate, g) * math.pi / 180
    area = _uniform(n, *how.zoom, g) * scale
    ratio = torch.exp(_uniform(n, -1, 1, g) * math.log(how.stretch) / 2)
    wide, high = area * ratio, area / ratio
    max_bytes = torch.stack([1 - wide, 1 - high]).clamp(min=0)
    reach = torch.minimum(max_bytes, torch.tensor(2 * how.shift))
    reach = torch.where(max_bytes > 0.05, reach, torch.tensor(2 * how.shift * scale))
    dx, dy = reach * (2 * torch.rand(2, n, generator=g) - 1)
    if how.mirror:
        wide = wide * (1 - 2 * torch.randint(0, 2, (n,), generator=g))
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [wide * cos, -high * sin, dx, wide * sin, high * cos, dy]
    return torch.stack(rows, dim=1).view(n, 2, 3)


def recoloured(x: Tensor, factors: Tensor) -> Tensor:
    """Other brightness b, contrast c and saturation s; x [B, C, H, W] in 0..1.

    factors: [3, B], b, c and s of each picture.

    With the mean m of a picture and the grey (mean over channels) of a pixel:

        x <- b x,   x <- c (x - m) + m,   x <- s (x - grey) + grey

    which is one matrix for each picture: A x + (1 - c) b m, with the first mean m and
    A = c b (s I + (1 - s) / C).
    """
    n, channels = x.shape[:2]
    b, c, s = factors.view(3, n, 1, 1)
    mix = s * torch.eye(channels, device=x.device) + (1 - s) / channels  # [B, C, C]
    level = (1 - c) * b * x.mean(dim=(1, 2, 3)).view(n, 1, 1)
    flat = torch.baddbmm(level, c * b * mix, x.flatten(2))
    return flat.clamp_(0, 1).view(x.shape)


def _uniform(n: int, low: float, high: float, g: Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=g)
