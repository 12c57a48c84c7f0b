"""Operations on neighbourhoods, written to be read; the networks use them.

Each module is one operation, with its equation in the docstring.

    convolution   one output value, the plain loop, the vectorised form
    padding       the amount on each side, and the values
    dilation      kernels with gaps, and their span
    stride        the windows, the output size, the receptive field
    pooling       max and average over windows
    aggregation   sum, mean and max over the neighbours of a node
    depthwise     convolution of each channel, with a faster gradient on CPUs
    filters       classic kernels: edges, blur, sharpen

A convolution combines a pixel's neighbours, which have fixed positions, so each
position has its own weight. A graph layer combines a node's neighbours, which have no
order, so all share one weight. `aggregation.grid_edges` connects the two.

Images are `[N, C, H, W]`, nodes `[N, F]`, edges `edge_index [2, E]` (source
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
