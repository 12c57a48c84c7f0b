"""Random augmentation of whole batches of images, seeded.

Each image gets its own affine map from output to input coordinates, and one
`grid_sample` applies all of them (Jaderberg et al. 2015, "Spatial Transformer
Networks", section 3).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.preprocess import center_crop, normalize, to_planes


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transformations; the default changes nothing."""

    rotate: float = 0.0
    """degrees to either side"""

    shift: float = 0.0
    """fraction of the width, to either side"""

    zoom: tuple[float, float] = (1.0, 1.0)
    """smallest and largest fraction of the width that is visible"""

    stretch: float = 1.0
    """largest ratio of the horizontal and vertical zoom"""

    horizontal_flip: bool = False
    """flip left and right with probability 0.5"""

    color_jitter: float = 0.0
    """largest relative change of brightness, contrast and saturation"""


PHOTO_SIZE = 64
"""pixels per side from which an image is treated as a photograph"""

AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "light": Augmentation(rotate=12, shift=0.08, zoom=(0.9, 1.1), stretch=1.1),
    "photo": Augmentation(
        rotate=5,
        shift=0.3,
        zoom=(0.6, 1.0),
        stretch=4 / 3,
        horizontal_flip=True,
        color_jitter=0.25,
    ),
}


def choose_augmentation(name: str, preprocessing: Preprocessing) -> Augmentation:
    """Return the augmentation of a name; "auto" depends on image size and channels."""
    if name == "auto":
        large = preprocessing.image_size >= PHOTO_SIZE and preprocessing.channels == 3
        name = "photo" if large else "light"
    return AUGMENTATIONS[name]


def augment_batch(
    pixels: Tensor,
    augmentation: Augmentation,
    preprocessing: Preprocessing,
    generator: Generator,
    batch_size: int | None = None,
    rows: slice = slice(None),
) -> Tensor:
    """Augment pixels [B, S, S, C] uint8 to network input [B, C, H, W] float32.

    The result is on the device of `pixels`; random numbers are drawn on the CPU.
    batch_size, rows: where `pixels` are the rows `rows` of a batch of `batch_size`
    images, they are augmented exactly as in the whole batch.
    """
    if augmentation == Augmentation():
        return center_crop(pixels, preprocessing)
    x = to_planes(pixels)
    size = preprocessing.image_size
    n = len(x) if batch_size is None else batch_size
    scale = size / preprocessing.store_size
    theta = random_affine_maps(n, augmentation, generator, scale)[rows]
    shape = [len(x), 1, size, size]
    grid = F.affine_grid(theta.to(x.device), shape, align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    if jitter := augmentation.color_jitter:
        factors = 1 + _uniform(3 * n, -jitter, jitter, generator).view(3, n)
        x = adjust_color(x, factors[:, rows].to(x.device))
    return normalize(x, preprocessing)


def random_affine_maps(
    n: int, augmentation: Augmentation, generator: Generator, scale: float
) -> Tensor:
    """Return affine maps [n, 2, 3] from output to input coordinates, both in -1..1.

    scale: fraction of the stored image that is visible without zoom. Where the visible
    window is smaller than the image, shifts stay within the image.
    """
    g = generator
    angle = _uniform(n, -augmentation.rotate, augmentation.rotate, g) * math.pi / 180
    zoom = _uniform(n, *augmentation.zoom, g) * scale
    ratio = torch.exp(_uniform(n, -1, 1, g) * math.log(augmentation.stretch) / 2)
    width, height = zoom * ratio, zoom / ratio
    margin = torch.stack([1 - width, 1 - height]).clamp(min=0)
    max_shift = torch.minimum(margin, torch.tensor(2 * augmentation.shift))
    unbounded = torch.tensor(2 * augmentation.shift * scale)
    max_shift = torch.where(margin > 0.05, max_shift, unbounded)
    dx, dy = max_shift * (2 * torch.rand(2, n, generator=g) - 1)
    if augmentation.horizontal_flip:
        width = width * (1 - 2 * torch.randint(0, 2, (n,), generator=g))
    cos, sin = torch.cos(angle), torch.sin(angle)
    entries = [width * cos, -height * sin, dx, width * sin, height * cos, dy]
    return torch.stack(entries, dim=1).view(n, 2, 3)


def adjust_color(x: Tensor, factors: Tensor) -> Tensor:
    """Scale brightness b, contrast c and saturation s of images x [B, C, H, W] in 0..1.

    factors: [3, B], rows b, c and s.

    With the mean m of an image and the grey value (mean over channels) of a pixel:

        x <- b x,   x <- c (x - m) + m,   x <- s (x - grey) + grey

    which is one matrix per image: A x + (1 - c) b m, with the original mean m and
    A = c b (s I + (1 - s) / C).
    """
    n, channels = x.shape[:2]
    b, c, s = factors.view(3, n, 1, 1)
    mix = s * torch.eye(channels, device=x.device) + (1 - s) / channels  # [B, C, C]
    level = (1 - c) * b * x.mean(dim=(1, 2, 3)).view(n, 1, 1)
    flat = torch.baddbmm(level, c * b * mix, x.flatten(2))
    return flat.clamp_(0, 1).view(x.shape)


def _uniform(n: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)
