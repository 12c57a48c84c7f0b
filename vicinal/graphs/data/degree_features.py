"""What a node's place in the graph says, where nothing else is known of it.

::

    [1, log(1 + edges that arrive), log(1 + edges that leave)]

How many there are at first is all that is taken; what spreads along the edges
(`first_answer.view`) makes more of it.
"""

import torch
from torch import Tensor

from vicinal.graphs.sparse.adjacency import Adjacency


def place_of(graph: Adjacency) -> Tensor:
    """[N, 3] float32."""
    incoming = graph.incoming.degrees.float().log1p()
    outgoing = graph.outgoing.degrees.float().log1p()
    return torch.stack([torch.ones_like(incoming), incoming, outgoing], dim=1)


def seen_as(features: Tensor, graph: Adjacency) -> Tensor:
    """Features [N, F]; where there are none (F = 0), the places [N, 3]."""
    return features if features.shape[1] else place_of(graph)
