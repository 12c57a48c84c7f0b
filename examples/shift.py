"""Translation equivariance: shifting the image shifts the feature map.

A convolution uses the same weights at every position. A dense layer has a weight for
each pixel, so its output changes arbitrarily.
"""

import torch

from vicinal.ops import convolve

torch.manual_seed(0)
image, kernel = torch.rand(1, 1, 8, 8), torch.rand(1, 1, 3, 3)
shifted = image.roll(2, dims=-1)

feature_maps = [
    convolve(x, kernel, padding=1, padding_mode="circular") for x in (image, shifted)
]
difference = (feature_maps[0].roll(2, -1) - feature_maps[1]).abs().max()
print(f"convolution, largest difference from the shifted map: {difference:.2g}")
assert torch.allclose(feature_maps[0].roll(2, -1), feature_maps[1])

weight = torch.rand(64, 64)
outputs = [weight @ x.flatten() for x in (image, shifted)]
difference = (outputs[0].view(8, 8).roll(2, -1).flatten() - outputs[1]).abs().max()
print(f"dense layer, largest difference from the shifted output: {difference:.2g}")
