"""Propagation along edges without learned weights.

::

    propagate    Z_0 = X,  Z_t+1 = (1 - alpha) P Z_t + alpha X         (APPNP eq. 5)
    smooth       the same from predictions, with known labels put in   (C&S eq. 6)
    correct      the same from the residuals of the predictions        (C&S eq. 4)

P = D^-1/2 (A + I) D^-1/2 as in GCN. With alpha = 0, K steps give P^K X, SGC's features.
APPNP's alpha is the share of the node's own value; C&S's alpha is 1 minus that,
the share of its neighbours.

F. Wu et al.: Simplifying Graph Convolutional Networks, ICML 2019 (SGC); J. Klicpera et
al.: Predict then Propagate, ICLR 2019 (APPNP); D. Zhou et al.: Learning with Local and
Global Consistency, NeurIPS 2003 (label propagation); Q. Huang et al.: Combining Label
Propagation and Simple Models Out-performs Graph Neural Networks, ICLR 2021 (C&S).
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vicinal.graphs.layers.gcn import gcn_aggregate
from vicinal.graphs.sparse.adjacency import Adjacency

COLUMNS = 16
"""label columns propagated at a time, to save memory"""

STEPS = 20
"""propagation steps of labels, predictions and residuals"""


def propagate(
    x: Tensor,
    graph: Adjacency,
    alpha: float,
    steps: int,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Return x [N, F] after `steps` steps of personalised PageRank propagation.

    alpha: teleport probability, the share of a node's own x in every step, 0 to 1.
    edge_weight: [E], in the order of the edges.
    """
    z = x
    for _ in range(steps):
        z = gcn_aggregate(z, graph, edge_weight)
        z = z.lerp(x, alpha) if alpha else z
    return z


def propagate_labels(
    targets: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    edge_weight: Tensor | None = None,
    alpha: float = 0.1,
) -> Tensor:
    """Return the mean [N, K] of the training targets near each node.

    targets: [N, K]; train_mask: [N] bool; alpha: as for `propagate`. A node that no
    training node reaches gets the mean of all training targets.
    """
    mask = train_mask.to(targets)[:, None]
    columns = torch.cat([targets * mask, mask], dim=1).split(COLUMNS, dim=1)
    sums = torch.cat(
        [propagate(x, graph, alpha, STEPS, edge_weight) for x in columns], dim=1
    )
    total = sums[:, -1:]
    mean = targets[train_mask].sum(dim=0, keepdim=True) / train_mask.sum().clamp(min=1)
    return (sums[:, :-1] / total.clamp(min=1e-12)).where(total > 1e-12, mean)


def smooth(
    predicted: Tensor,
    targets: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    alpha: float,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Smooth predictions [N, K] along the edges, starting from the training targets.

    alpha: C&S's alpha, the share of the neighbours in every step, 0 to 1.
    """
    start = targets.where(train_mask[:, None], predicted)
    if not alpha:
        return start
    return propagate(start, graph, 1 - alpha, STEPS, edge_weight)


def correct(
    predicted: Tensor,
    targets: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    alpha: float,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """Correct predictions [N, K] by the residuals of the training nodes nearby.

    ::

        E_0 = targets - predicted for training nodes, else 0
        predicted + E_T,  E_t+1 = alpha P E_t + (1 - alpha) E_0

    alpha: C&S's alpha, the share of the neighbours in every step, 0 to 1.
    """
    residual = (targets - predicted).where(train_mask[:, None], 0)
    return predicted + propagate(residual, graph, 1 - alpha, STEPS, edge_weight)


def normalize_rows(x: Tensor) -> Tensor:
    """Return the rows [N, F] scaled to length 1; rows of zeros stay zeros."""
    return normalize(x, dim=1)
