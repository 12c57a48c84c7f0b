"""The layers that pass messages along bonds: a D-MPNN, or GINE."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vicinal.graphs.layers.dmpnn import DMPNN
from vicinal.graphs.layers.dropout import Dropout
from vicinal.graphs.layers.gine import GINE
from vicinal.graphs.sparse.adjacency import Adjacency


class GINELayers(nn.Module):
    """[N, node_features] and features of bonds [E, edge_features] to [N, hidden].

    ::

        h(0)   = ReLU(W x)
        h(t+1) = h(t) + ReLU(norm(GINE(h(t))))

    Layer norm, not batch norm: networks of the folds share mini-batches, and none may
    depend on the molecules of its own fold. `steps` layers; arguments as of `DMPNN`.
    """

    def __init__(
        self,
        node_features: int,
        edge_features: int,
        hidden: int,
        steps: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.input = nn.Linear(node_features, hidden)
        self.layers = nn.ModuleList(
            GINE(_mlp(hidden), hidden, edge_features, learn_eps=True)
            for _ in range(steps)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(steps))
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        graph: Adjacency,
        edge_attr: Tensor,
        reverse: Tensor | None = None,
    ) -> Tensor:
        """edge_attr: [E, D], in the order of `edge_index`. reverse: not used."""
        h = torch.relu(self.input(x))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.dropout(h + torch.relu(norm(layer(h, graph, edge_attr))))
        return h

    def states(self, x: Tensor, graph: Adjacency, edge_attr: Tensor) -> list[Tensor]:
        """Return the input [N, hidden] of each layer, without dropout."""
        h = torch.relu(self.input(x))
        found = []
        for layer, norm in zip(self.layers, self.norms, strict=True):
            found.append(h)
            h = h + torch.relu(norm(layer(h, graph, edge_attr)))
        return found


def _mlp(hidden: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden)
    )


LAYERS: dict[str, Callable[..., DMPNN | GINELayers]] = {
    "dmpnn": DMPNN,
    "gine": GINELayers,
}

NAMES = {"dmpnn": "D-MPNN", "gine": "GINE"}
