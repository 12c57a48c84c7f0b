"""The operations that learn from neighbours, each readable and each in use.

Start anywhere; every file is one idea, with its equation in the docstring.

    convolution   one output number, the plain loop, the vectorised form
    padding       what stands around the picture: how much, and which values
    dilation      a kernel with gaps, and the pixels it spans
    stride        which windows are visited, and how far one output sees
    pooling       a window becomes one number without weights: max, average
    aggregation   the same idea without places: sum, mean, max over neighbours
    depthwise     each channel by itself, and a gradient that is slow elsewhere
    filters       classic kernels to look through: edges, blur, sharpen

A convolution combines a pixel's neighbours, which have a fixed place, so each
place has its own weight. A graph layer combines a node's neighbours, which have
none, so all share one. `aggregation.grid_edges` is the bridge between the two.

Pictures are `[N, C, H, W]`, nodes `[N, F]`, edges `edge_index [2, E]` (source
row, target row). Everything is in pixels. torch is the only dependency.
"""

from vicinal.ops.aggregation import GridEdges, aggregate, gather, grid_edges
from vicinal.ops.convolution import convolve, convolve_by_hand, window_product
from vicinal.ops.depthwise import depthwise
from vicinal.ops.dilation import span
from vicinal.ops.filters import FILTERS, Filter, apply_filter, gaussian
from vicinal.ops.padding import Amounts, amounts, pad
from vicinal.ops.pooling import (
    average_pool,
    global_average_pool,
    max_pool,
    reduce_windows,
)
from vicinal.ops.stride import (
    Layer,
    ReceptiveField,
    output_size,
    receptive_field,
    subsample,
    windows,
)

__all__ = [
    "FILTERS",
    "Amounts",
    "Filter",
    "GridEdges",
    "Layer",
    "ReceptiveField",
    "aggregate",
    "amounts",
    "apply_filter",
    "average_pool",
    "convolve",
    "convolve_by_hand",
    "depthwise",
    "gather",
    "gaussian",
    "global_average_pool",
    "grid_edges",
    "max_pool",
    "output_size",
    "pad",
    "receptive_field",
    "reduce_windows",
    "span",
    "subsample",
    "window_product",
    "windows",
]
