"""A shifted picture gives a shifted map: what weights that are shared by all places do.

A dense layer has a weight for each pixel, so a shift changes its answer in no way that
one could foresee.
"""

import torch

from vicinal.ops import convolve

torch.manual_seed(0)
picture, kernel = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3)
shifted = picture.roll(2, dims=-1)

maps = [
    convolve(p, kernel, padding=1, padding_mode="circular") for p in (picture, shifted)
]
print(
    "largest difference to the shifted map:",
    (maps[0].roll(2, -1) - maps[1]).abs().max(),
)
assert torch.allclose(maps[0].roll(2, -1), maps[1])

dense = torch.rand(64, 64)
answers = [dense @ p.flatten() for p in (picture, shifted)]
print(
    "of the dense layer's:",
    (answers[0].view(8, 8).roll(2, -1).flatten() - answers[1]).abs().max(),
)
