"""A graph network over drugs, their targets and their known interactions.

    x_i = id_i + sum_k W_k f_ik + W_p profile_i
    z_i = x_i + sum_r mean over r-neighbours j of x_j W_r
    logit_e(i, j) = R_e . (z_i * z_j) + U_e . (z_i + z_j) + b_e

f_ik: features of kind k. Relations r: drugs with shared targets, drugs whose targets
interact, and drugs with known interactions (a relational graph convolution, M.
Schlichtkrull et al., ESWC 2018). The decoder is DistMult by effect (B. Yang et al.,
ICLR 2015), with a term for each drug alone. A new drug has a shared vector in place of
its id, no profile and no known interactions; a share of the drugs is treated so in each
step of training, so that the features have to say what they can.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.pair_effects import PairEffects

COMPONENTS = 256
"""principal components of each kind of features"""

ID_SCALE, OUT_SCALE, RELATION_SCALE = 0.3, 0.05, 0.3
"""standard deviations of the weights before training"""


@dataclass(frozen=True)
class NetworkInputs:
    """What the network knows of D drugs, apart from its weights."""

    features: list[Tensor]
    """[D, K] of each kind, and 1 where it is known of a drug"""

    relations: list[Tensor]
    """[D, D] weights of messages between drugs, rows sum to 1 or are 0"""

    interactions: Tensor
    """[D, D] log(1 + n) of the number of known effects of each pair"""

    profiles: Tensor
    """[D, E] square roots of the share of partners with each effect, centred"""

    is_known: Tensor
    """[D] bool: whether a drug has a known interaction"""


def make_inputs(known: PairEffects, features: DrugFeatures) -> NetworkInputs:
    """Return the inputs of known effects and features; a pair has no order."""
    totals = np.log1p(np.asarray(known.table.sum(axis=1)).ravel())
    interactions = np.zeros((known.num_drugs, known.num_drugs), np.float32)
    first, second = known.pairs.T
    interactions[first, second] = interactions[second, first] = totals
    is_known = known.degrees > 0
    shares = known.drug_counts[0] / np.maximum(known.degrees, 1)[:, None]
    profiles = np.sqrt(shares)
    if is_known.any():
        profiles -= is_known[:, None] * profiles[is_known].mean(axis=0)
        norms = np.linalg.norm(profiles[is_known], axis=1)
        profiles *= 4 / max(norms.mean(), 1e-9)
    return NetworkInputs(
        [_components(features.kind(name)) for name in features.names],
        _protein_relations(features),
        torch.from_numpy(interactions),
        torch.from_numpy(profiles.astype(np.float32)),
        torch.from_numpy(is_known),
    )


def _components(values: csr_matrix) -> Tensor:
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
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


def _protein_relations(features: DrugFeatures) -> list[Tensor]:
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


def _mean_over_neighbours(weights: csr_matrix) -> Tensor:
    """Return weights [D, D] without self-loops, whose rows sum to 1 or are 0."""
    dense = weights.toarray().astype(np.float32)
    np.fill_diagonal(dense, 0.0)
    totals = dense.sum(axis=1, keepdims=True)
    return torch.from_numpy(dense / np.where(totals > 0, totals, 1.0))


class InteractionNetwork(nn.Module):
    """Logits [M, E] of pairs of drugs."""

    def __init__(self, inputs: NetworkInputs, hidden: int, dropout: float) -> None:
        """hidden: features of a drug's vector. dropout: of the inputs of drugs."""
        super().__init__()
        self.inputs, self.dropout = inputs, dropout
        drugs, effects = inputs.profiles.shape
        self.ids = nn.Parameter(torch.randn(drugs, hidden) * ID_SCALE)
        self.new_id = nn.Parameter(torch.zeros(hidden))
        self.encoders = nn.ModuleList(
            [nn.Linear(kind.shape[1], hidden) for kind in inputs.features]
        )
        self.profile = nn.Linear(effects, hidden, bias=False)
        relations = len(inputs.relations) + 1
        scale = RELATION_SCALE / hidden**0.5
        self.messages = nn.Parameter(torch.randn(relations, hidden, hidden) * scale)
        self.out = nn.Linear(2 * hidden, effects)
        nn.init.normal_(self.out.weight, std=OUT_SCALE)

    def vectors(
        self, has_id: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the vectors [D, H] of drugs.

        has_id: [D] bool, the others are new. generator: drops features, in training.
        """
        inputs, known = self.inputs, has_id.float()[:, None]
        x = torch.where(has_id[:, None], self.ids, self.new_id)
        for kind, encode in zip(inputs.features, self.encoders, strict=True):
            x = x + encode(self._drop(kind, generator))
        x = x + known * self.profile(inputs.profiles)
        weights = inputs.interactions
        partners = known * (weights @ (x * known)) / (weights @ known).clamp(min=1e-6)
        means = [*(weights @ x for weights in inputs.relations), partners]
        pairs = zip(means, self.messages, strict=True)
        return x + sum((mean @ matrix for mean, matrix in pairs), torch.zeros(()))

    def _drop(self, features: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return features [D, K], with a generator without some of the columns."""
        if generator is None:
            return features
        kept = torch.rand(features.shape[1], generator=generator) >= self.dropout
        return features * kept / (1 - self.dropout)

    def forward(self, vectors: Tensor, pairs: Tensor) -> Tensor:
        """Return the logits [M, E] of pairs [M, 2] by the vectors [D, H] of drugs."""
        first, second = vectors[pairs[:, 0]], vectors[pairs[:, 1]]
        return self.out(torch.cat([first * second, first + second], dim=1))

    @torch.inference_mode()
    def score_all(self, pairs: np.ndarray) -> np.ndarray:
        """Return the logits [M, E] float32 of pairs [M, 2]."""
        vectors = self.vectors(self.inputs.is_known)
        return self(vectors, torch.from_numpy(np.asarray(pairs, np.int64))).numpy()
