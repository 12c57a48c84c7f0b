"""D-MPNN: messages that live on directed edges, such as the bonds of a molecule.

::

    h_vw(0)   = ReLU(W_i [x_v, e_vw])                                        (eq. 3)
    m_vw(t+1) = sum over neighbours k of v, but w, of  h_kv(t)               (eq. 4)
    h_vw(t+1) = ReLU(h_vw(0) + W_m m_vw(t+1))                             (eq. 5, 6)
    z_v       = ReLU(W_a [x_v, sum over neighbours k of v of h_kv(T)])    (eq. 7, 8)

A message does not return along the edge that it came by, so walks that only go to and
fro add nothing.

K. Yang et al.: Analyzing Learned Molecular Representations for Property Prediction,
J. Chem. Inf. Model. 2019, https://arxiv.org/abs/1904.01561.
"""

import torch
from torch import Tensor, nn

from vicinal.errors import DataError
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.sparse.adjacency import Adjacency
from vicinal.ops.aggregation import aggregate


class DMPNN(nn.Module):
    """[N, node_features] and edge features [E, edge_features] to [N, hidden].

    steps: T. dropout: of the states of edges after each step, and of the result.
    """

    def __init__(
        self,
        node_features: int,
        edge_features: int,
        hidden: int = 300,
        steps: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.input = nn.Linear(node_features + edge_features, hidden, bias=False)  # W_i
        self.message = nn.Linear(hidden, hidden, bias=False)  # W_m
        self.output = nn.Linear(node_features + hidden, hidden)  # W_a
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        graph: Adjacency,
        edge_attr: Tensor,
        reverse: Tensor | None = None,
    ) -> Tensor:
        """edge_attr: [E, D], in the order of `edge_index`. reverse: `reverse_edges`.

        Raises DataError for an edge without its reverse.
        """
        h = self.messages(x, graph, edge_attr, reverse)
        target = graph.incoming.row_indices.long()
        at_node = aggregate(h, target, graph.num_nodes)
        z = torch.relu(self.output(torch.cat([x, at_node], dim=1)))
        return self.dropout(z)

    def messages(
        self,
        x: Tensor,
        graph: Adjacency,
        edge_attr: Tensor,
        reverse: Tensor | None = None,
    ) -> Tensor:
        """Return the states h [E, hidden] after T steps, of the incoming edges."""
        source = graph.incoming.indices.long()
        target = graph.incoming.row_indices.long()
        reverse = reverse_edges(graph) if reverse is None else reverse
        # index_select: its gradient is faster than that of x[source]
        e = edge_attr.index_select(0, graph.incoming.edge_ids)
        ends = torch.cat([x.index_select(0, source), e], dim=1)
        initial = self.input(ends)  # [E, hidden]
        h = torch.relu(initial)
        for _ in range(self.steps):
            at_node = aggregate(h, target, graph.num_nodes)  # [N, hidden]
            m = at_node.index_select(0, source) - h.index_select(0, reverse)
            h = self.dropout(torch.relu(initial + self.message(m)))
        return h


def reverse_edges(graph: Adjacency) -> Tensor:
    """Return the position [E] of the reverse of each edge, among the incoming edges.

    Raises DataError for an edge without its reverse, and for two equal edges.
    """
    source, target = graph.incoming.indices.long(), graph.incoming.row_indices.long()
    forward = source * graph.num_nodes + target
    order = forward.argsort()
    known = forward[order]
    backward = target * graph.num_nodes + source
    position = torch.searchsorted(known, backward).clamp(max=max(len(known) - 1, 0))
    if not torch.equal(known[position], backward) or not bool(known.diff().all()):
        raise DataError(
            "Every edge must be there once in each direction: (u, v) and (v, u)."
        )
    return order[position]
