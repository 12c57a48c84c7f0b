"""What neighbours say, without anything learned: sums along the edges, again and again.

::

    spread       Z_0 = X,  Z_k+1 = (1 - alpha) P Z_k + alpha X
    label        the same for the labels that are known, 0 where none is
    smoothed     the same for what a model says, with the labels where they are known

P is GCN's D^-1/2 (A + I) D^-1/2 (`layers.gcn`). With alpha = 0 a spread of K steps is
P^K X, what is left of a GCN without its nonlinearities.

F. Wu et al.: Simplifying Graph Convolutional Networks, ICML 2019; J. Klicpera et al.:
Predict then Propagate, ICLR 2019, eq. 4; D. Zhou et al.: Learning with Local and Global
Consistency, NeurIPS 2003; Q. Huang et al.: Combining Label Propagation and Simple
Models Out-performs Graph Neural Networks, ICLR 2021, eq. 6.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from vicinal.graphs.layers.gcn import smoothed
from vicinal.graphs.sparse.adjacency import Adjacency

COLUMNS = 16
"""that are spread at a time: it takes less room, and each is spread by itself anyway"""

STEPS = 20
"""of labels: a neighbour further away than that counts for nothing"""


def spread(
    x: Tensor,
    graph: Adjacency,
    alpha: float,
    steps: int,
    weight: Tensor | None = None,
) -> Tensor:
    """x [N, F] as it is after so many steps, [N, F]. weight: [E], as edges are listed.

    alpha: share of a node's own x at every step, 0 to 1.
    """
    z = x
    for _ in range(steps):
        z = smoothed(z, graph, weight)
        z = z.lerp(x, alpha) if alpha else z
    return z


def spread_labels(
    known: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    weight: Tensor | None = None,
    alpha: float = 0.1,
) -> Tensor:
    """Mean [N, K] of what is known around each node, the nearer the more.

    known: [N, K], of shares or amounts; marked: [N] bool, where it is known. A node
    that nothing reaches gets the mean of all that is known.
    """
    mark = train_mask.to(known)[:, None]
    both = torch.cat([known * mark, mark], dim=1).split(COLUMNS, dim=1)
    found = torch.cat([spread(x, graph, alpha, STEPS, weight) for x in both], dim=1)
    total = found[:, -1:]
    mean = known[train_mask].sum(dim=0, keepdim=True) / train_mask.sum().clamp(min=1)
    return (found[:, :-1] / total.clamp(min=1e-12)).where(total > 1e-12, mean)


def smooth(
    said: Tensor,
    known: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    beta: float,
    weight: Tensor | None = None,
) -> Tensor:
    """What a model said [N, K], evened out along the edges; beta: how far, 0 to 1.

    known: [N, K], what is true where it is known; marked: [N] bool, where it is.
    """
    first = known.where(train_mask[:, None], said)
    return spread(first, graph, 1 - beta, STEPS, weight) if beta else first


def correct(
    said: Tensor,
    known: Tensor,
    train_mask: Tensor,
    graph: Adjacency,
    beta: float,
    weight: Tensor | None = None,
) -> Tensor:
    """What a model said [N, K], with its errors at known nodes handed on to others.

    ::

        E_0 = known - said where it is known, else 0
        said + mean of E over neighbours, spread as far as beta says        (eq. 4)

    The error that reaches a node is divided by the share of known nodes that it comes
    from, so that it is a mean, and shrinks where few are near.
    """
    error = (known - said).where(train_mask[:, None], 0)
    return said + spread(error, graph, 1 - beta, STEPS, weight)


def unit_rows(x: Tensor) -> Tensor:
    """Rows [N, F] of length 1; of nothing 0."""
    return normalize(x, dim=1)
