"""A graph network over drugs, their targets and their known interactions.

::

    x_i = id_i + sum_k W_k (f_ik + sum_r a_r mean over r-neighbours j of f_jk)
    h_ij = [x_i * x_j, x_i + x_j]
    logit_e(i, j) = R_e . h_ij + U_e . relu(V h_ij + v) + b_e

f_ik: components of features of kind k. Relations r: drugs with shared targets, drugs
whose targets interact, and drugs with known interactions, each with its own weights a_r
[H] (a relational graph convolution, M. Schlichtkrull et al., ESWC 2018, with diagonal
weights). Messages hold features, never ids: with ids, or with a matrix for each
relation, they identify single drugs, and the network overfits to those of training.
Means of features are constant and computed once, as in SIGN (E. Rossi et al., 2020).
The decoder is DistMult by effect (B. Yang et al., ICLR 2015), with a term for each drug
alone and a hidden layer. Where order matters, the second drug is represented by a
linear projection of x.

A new drug has a shared vector in place of its id and no known interactions; a share of
the drugs is treated so in each step of training, so that the features have to say what
they can.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags
from torch import Tensor, nn

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.pair_effects import PairEffects

COMPONENTS = 64
"""principal components of each kind of features; more overfit"""

ID_SCALE, OUT_SCALE = 0.3, 0.05
"""standard deviations of the weights before training"""


@dataclass(frozen=True)
class NetworkInputs:
    """What the network knows of D drugs, apart from its weights."""

    features: list[Tensor]
    """[R + 1, D, K] of each kind: those of the drug itself, with 1 where it is known,
    and their means over its neighbours by R relations, the last known interactions"""

    is_known: Tensor
    """[D] bool: whether a drug has a known interaction"""

    num_effects: int
    ordered: bool
    """whether the first and the second drug of a pair differ"""


def make_inputs(known: PairEffects, features: DrugFeatures) -> NetworkInputs:
    """Return the inputs of known effects and features."""
    kinds = [_components(features.kind(name)) for name in features.names]
    relations = [*_protein_relations(features), _interactions(known)]
    return NetworkInputs(
        [
            torch.from_numpy(np.stack([kind, *(each @ kind for each in relations)]))
            for kind in kinds
        ],
        torch.from_numpy(known.degrees > 0),
        known.num_effects,
        known.ordered,
    )


def _components(values: csr_matrix) -> np.ndarray:
    """Return the main components [D, K] of rows [D, F], and whether they are known.

    Counts are log(1 + n), weighted by how rare they are, in rows of length 1.
    """
    logs = csr_matrix(values, dtype=np.float64)
    logs.data = np.log1p(logs.data)
    rarity = np.log((1 + len(logs.indptr)) / (1 + logs.getnnz(axis=0)))
    scaled = csr_matrix(logs.multiply(rarity))
    norms = np.sqrt(np.asarray(scaled.multiply(scaled).sum(axis=1)))
    scaled = csr_matrix(scaled.multiply(1 / np.where(norms > 0, norms, 1.0)))
    gram = np.asarray((scaled @ scaled.T).todense())
    variances, vectors = np.linalg.eigh(gram)
    used = np.argsort(-variances)[:COMPONENTS]
    used = used[variances[used] > 1e-9]
    parts = [vectors[:, used] * np.sqrt(variances[used]), norms > 0]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _interactions(known: PairEffects) -> csr_matrix:
    """Return the weights of known interactions, log(1 + number of effects)."""
    totals = np.log1p(np.asarray(known.table.sum(axis=1)).ravel())
    shape = known.num_drugs, known.num_drugs
    weights = csr_matrix((totals, tuple(known.pairs.T)), shape)
    return _mean_over_neighbours(csr_matrix(weights + weights.T))


def _protein_relations(features: DrugFeatures) -> list[csr_matrix]:
    """Return messages by shared targets, and by targets that interact."""
    targets = features.targets
    if targets is None:
        return []
    found = [targets @ targets.T]
    edges = features.protein_edges
    if edges is not None and len(edges):
        _, size = targets.get_shape()
        ones = np.ones(len(edges), np.float32)
        graph = csr_matrix((ones, (edges[:, 0], edges[:, 1])), (size, size))
        graph = csr_matrix(((graph + graph.T) > 0).astype(np.float32))
        degrees = np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)), 1))
        graph = csr_matrix(graph.multiply(1 / degrees).multiply(1 / degrees.T))
        found.append(targets @ graph @ targets.T)
    return [_mean_over_neighbours(csr_matrix(each)) for each in found]


def _mean_over_neighbours(weights: csr_matrix) -> csr_matrix:
    """Return weights [D, D] without self-loops, whose rows sum to 1 or are 0."""
    others = csr_matrix(weights - diags(weights.diagonal()))
    totals = np.asarray(others.sum(axis=1)).ravel()
    scale = diags(1 / np.where(totals > 1e-9, totals, np.inf))
    return csr_matrix(scale @ others, dtype=np.float32)


class InteractionNetwork(nn.Module):
    """Logits [M, E] of pairs of drugs."""

    def __init__(
        self, inputs: NetworkInputs, width: int, hidden: int, dropout: float
    ) -> None:
        """width: of a drug's vector, H. dropout: of the components of features."""
        super().__init__()
        self.inputs, self.dropout = inputs, dropout
        self.ids = nn.Parameter(torch.randn(len(inputs.is_known), width) * ID_SCALE)
        self.new_id = nn.Parameter(torch.zeros(width))
        self.encoders = nn.ModuleList(
            [nn.Linear(kind.shape[2], width, bias=False) for kind in inputs.features]
        )
        relations = len(inputs.features[0]) - 1 if inputs.features else 0
        self.relations = nn.Parameter(torch.zeros(relations, width))
        self.second = nn.Linear(width, width) if inputs.ordered else nn.Identity()
        self.hidden = nn.Linear(2 * width, hidden)
        self.out = nn.Linear(2 * width + hidden, inputs.num_effects)
        nn.init.normal_(self.out.weight, std=OUT_SCALE)

    def vectors(
        self, has_id: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the vectors [D, H] of drugs.

        has_id: [D] bool, the others are new. generator: drops features, in training.
        """
        x = torch.where(has_id[:, None], self.ids, self.new_id)
        ones = torch.ones_like(self.relations[:1])
        weights = torch.cat([ones, self.relations])[:, None]
        for features, encode in zip(self.inputs.features, self.encoders, strict=True):
            sent = encode(features * self._kept(features.shape[2], generator))
            sent = weights * sent
            x = x + sent[:-1].sum(dim=0) + has_id[:, None] * sent[-1]
        return x

    def _kept(self, size: int, generator: torch.Generator | None) -> Tensor:
        """Return factors [K] of features: 1, with a generator 0 for some of them."""
        if generator is None:
            return torch.ones(size)
        kept = torch.rand(size, generator=generator) >= self.dropout
        return kept / (1 - self.dropout)

    def pair_features(self, vectors: Tensor, pairs: Tensor) -> Tensor:
        """Return what the logits of pairs [M, 2] are linear in, [M, 2 H + hidden]."""
        first = vectors[pairs[:, 0]]
        second = self.second(vectors)[pairs[:, 1]]
        both = torch.cat([first * second, first + second], dim=1)
        return torch.cat([both, self.hidden(both).relu()], dim=1)

    @torch.inference_mode()
    def score_all(self, pairs: np.ndarray) -> np.ndarray:
        """Return the logits [M, E] float32 of pairs [M, 2]."""
        vectors = self.vectors(self.inputs.is_known)
        rows = torch.from_numpy(np.asarray(pairs, np.int64))
        return self.out(self.pair_features(vectors, rows)).numpy()
