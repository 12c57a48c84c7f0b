"""LightGCN: embeddings of users and items, averaged over the layers of a graph.

::

    e^(k+1) = D^-1/2 A D^-1/2 e^(k)                A [U + I, U + I]: who chose what
    f       = (e^(0) + ... + e^(L)) / (L + 1)
    s_ui    = f_u . f_i

X. He et al., "LightGCN: simplifying and powering graph convolution network for
recommendation" (SIGIR 2020). Trained with the softmax over the items of a batch, which
needs far fewer passes than their pairwise loss (J. Wu et al., "On the effectiveness of
sampled softmax loss for item recommendation", TOIS 2024). The layers of a user's
embedding after the first are sums over the user's items:

    s_ui = e_u^(0) . f_i / (L + 1)
         + sum_j d_u^-1/2 d_j^-1/2 (e_j^(0) + ... + e_j^(L-1)) . f_i / (L + 1)

so a new user has the second part, and each item's share of a score is known.
"""

import time
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional

from vicinal.graphs.sparse.adjacency import Adjacency, WeightedAdjacency
from vicinal.graphs.sparse.aggregation import spmm
from vicinal.knowledge.recommendation.models.item_model import binary
from vicinal.knowledge.recommendation.models.sparse import dense_product

FEATURES, LAYERS = 64, 2
LR, BATCH_SIZE, NEGATIVES = 0.02, 4096, 512
TEMPERATURE = 0.15
"""of the softmax over cosines, during training"""


class LightGCN(NamedTuple):
    """Embeddings after training."""

    users: np.ndarray
    """[U, F] e_u^(0) / (L + 1)"""

    own: np.ndarray
    """[I, F] d_j^-1/2 (e_j^(0) + ... + e_j^(L-1)) / (L + 1)"""

    items: np.ndarray
    """[I, F] f_i"""

    @property
    def num_items(self) -> int:
        return len(self.items)

    def prepare(self, rows: csr_matrix) -> csr_matrix:
        """Return d_u^-1/2 where weights [N, I] are given."""
        found, sizes = binary(rows), np.maximum(rows.getnnz(1), 1)
        found.data /= np.repeat(np.sqrt(sizes), rows.getnnz(1)).astype(np.float32)
        return found

    def score_prepared(self, rows: csr_matrix) -> np.ndarray:
        return dense_product(rows, self.own) @ self.items.T

    def item_weights(self, own: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.own[own] @ self.items[items].T

    def base(self, users: np.ndarray | None, items: np.ndarray) -> np.ndarray:
        if users is None:
            return np.zeros(len(items))
        return self.users[users] @ self.items[items].T


def normalized_graph(table: csr_matrix) -> WeightedAdjacency:
    """Return D^-1/2 A D^-1/2, whose nodes are U users and then I items."""
    num_users, num_items = table.get_shape()
    users = np.repeat(np.arange(num_users), table.getnnz(1))
    items = num_users + table.indices.astype(np.int64)
    ends = torch.from_numpy(np.stack([users, items]))
    edges = torch.cat([ends, ends.flip(0)], dim=1)
    graph = Adjacency.from_edge_index(edges, num_users + num_items)
    rows = graph.incoming
    scale = rows.degrees.clamp(min=1).float().rsqrt()
    return WeightedAdjacency(graph, scale[rows.indices] * scale[rows.row_indices])


def propagate(
    graph: WeightedAdjacency, embeddings: Tensor, layers: int
) -> list[Tensor]:
    """Return e^(0) ... e^(L) [U + I, F]."""
    found = [embeddings]
    for _ in range(layers):
        found.append(spmm(graph, found[-1]))
    return found


class Training(NamedTuple):
    """A limit of passes over the table, and of seconds."""

    epochs: int
    seconds: float = float("inf")
    seed: int = 0


def train_lightgcn(table: csr_matrix, training: Training) -> tuple[LightGCN, int]:
    """Train on weights [U, I], of which only the places count; also return the passes.

    One Adam step for each batch of BATCH_SIZE entries. The loss of an entry (u, i) is
    -log softmax of cos(f_u, f_i) / TEMPERATURE, over i and the items of the first
    NEGATIVES entries of the batch; logits are corrected by the log of how often an item
    is sampled.
    """
    started_at = time.monotonic()
    num_users = table.get_shape()[0]
    generator = torch.Generator().manual_seed(training.seed)
    graph = normalized_graph(table)
    shape = graph.graph.num_nodes, FEATURES
    embeddings = 0.1 * torch.randn(shape, generator=generator)
    embeddings.requires_grad_()
    optimizer = torch.optim.Adam([embeddings], lr=LR)
    users = np.repeat(np.arange(num_users), table.getnnz(1))
    users, items = torch.from_numpy(users), torch.from_numpy(table.indices).long()
    frequency = torch.from_numpy(table.getnnz(0).astype(np.float32)).clamp(min=1).log()
    passes = 0
    for _ in range(training.epochs):
        for batch in torch.randperm(len(items), generator=generator).split(BATCH_SIZE):
            if passes and time.monotonic() - started_at > training.seconds:
                break
            mean = torch.stack(propagate(graph, embeddings, LAYERS)).mean(dim=0)
            final = functional.normalize(mean, dim=1)
            loss = sampled_softmax(final, users[batch], items[batch], frequency)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if time.monotonic() - started_at > training.seconds:
            break
        passes += 1
    with torch.no_grad():
        return from_embeddings(graph, embeddings, num_users), passes


def sampled_softmax(
    final: Tensor, users: Tensor, items: Tensor, log_counts: Tensor
) -> Tensor:
    """Return the mean loss of entries (u, i) [B].

    final: [U + I, F] normalised embeddings. log_counts: [I] log of the users of items.
    """
    num_users = len(final) - len(log_counts)
    u, i = final[users], final[num_users + items]
    sampled = items[:NEGATIVES]
    logits = u @ i[:NEGATIVES].T / TEMPERATURE - log_counts[sampled]
    logits = logits.masked_fill(items[:, None] == sampled, -torch.inf)
    own = (u * i).sum(dim=1) / TEMPERATURE - log_counts[items]
    return (torch.logaddexp(own, logits.logsumexp(dim=1)) - own).mean()


def from_embeddings(
    graph: WeightedAdjacency, embeddings: Tensor, num_users: int
) -> LightGCN:
    """Return the model of e^(0) [U + I, F]."""
    layers = propagate(graph, embeddings, LAYERS)
    total, count = torch.stack(layers).sum(dim=0), LAYERS + 1
    before = total - layers[-1]
    roots = graph.graph.incoming.degrees.clamp(min=1).float().sqrt()[:, None]
    found = (
        embeddings[:num_users] / count,
        (before / roots / count)[num_users:],
        total[num_users:] / count,
    )
    return LightGCN(*(t.detach().numpy().copy() for t in found))
