"""Where one number of a feature map comes from: a window, a kernel, their products."""

import torch

from vicinal.ops import FILTERS, convolve, max_pool, window_product

picture = torch.zeros(1, 1, 5, 5)
picture[..., 2:] = 1  # dark on the left, bright on the right: a vertical edge

kernel = FILTERS["sobel_x"].kernel  # [3, 3]
window = picture[0, :, 1:4, 0:3]  # the 3 x 3 pixels under the kernel at place (1, 0)
one = window_product(window, kernel[None])
print("window\n", window[0], "\nkernel\n", kernel, "\nsum of products:", one.item())

feature_map = convolve(picture, kernel[None, None])  # [1, 1, 3, 3]
print("the whole map: 3 x 3 windows fit into 5 x 5 pixels\n", feature_map[0, 0])
assert feature_map[0, 0, 1, 0] == one

print("the strongest answer of each 2 x 2:\n", max_pool(feature_map, 2, 1)[0, 0])
