"""Compute one value of a feature map: a window, a kernel and the sum of products."""

import torch

from vicinal.ops import FILTERS, convolve, max_pool, window_product

image = torch.zeros(1, 1, 5, 5)
image[..., 2:] = 1  # dark on the left, bright on the right: a vertical edge

kernel = FILTERS["sobel_x"].kernel  # [3, 3]
window = image[0, :, 1:4, 0:3]  # [1, 3, 3], the input of position (1, 0)
value = window_product(window, kernel[None])
print("window\n", window[0], "\nkernel\n", kernel, "\nsum of products:", value.item())

feature_map = convolve(image, kernel[None, None])  # [1, 1, 3, 3]
print("feature map, 3 x 3 without padding\n", feature_map[0, 0])
assert feature_map[0, 0, 1, 0] == value

print("after 2 x 2 max pooling, stride 1\n", max_pool(feature_map, 2, 1)[0, 0])
