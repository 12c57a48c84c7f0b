"""The network that corrects the counts: a graph transformer over the tree of fragments.

    log P(token | partial molecule) = log P_counts(token | context) + W q + b - log Z

q describes the open attachment point and attends to all fragments that are there
already; the attention knows how many bonds of the tree lie between. W and b are 0 at
first, so training starts at mere recombination and can only add what lies beyond it.
Each fragment sees those placed before it alone, so one pass trains all steps of growth.

A. Vaswani et al.: Attention Is All You Need, 2017; the bias by distance as in C. Ying
et al.: Do Transformers Really Perform Badly for Graph Representation?, 2021, 3.1.2.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vicinal.core.storage.schema import Integer, Number, Object
from vicinal.graphs.layers.dropout import Dropout
from vicinal.molecules.generation.model.batches import MAX_DISTANCE, SequenceBatch

TYPICAL_FRAGMENTS = 4.0
"""divides the sum over fragments, which grows with the molecule"""

MASKED = -1e9


class FragmentNetworkConfig(NamedTuple):
    """Sizes of the network."""

    tokens: int
    joining: int
    """tokens that join an open attachment point: the first of all"""

    contexts: int
    hidden: int
    layers: int
    heads: int
    dropout: float


CONFIG = Object(
    {
        "tokens": Integer(1),
        "joining": Integer(0),
        "contexts": Integer(1),
        "hidden": Integer(1),
        "layers": Integer(1, 20),
        "heads": Integer(1),
        "dropout": Number(0, 1),
    }
)
"""schema of these sizes in a model file"""


class AttentionLayer(nn.Module):
    """Queries attend to fragments of their molecule, then an MLP; each is added.

    ::

        x = x + W_o softmax(Q K^T / sqrt(d) + bias[distance]) V
        x = x + MLP(norm(x))
    """

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query_norm, self.key_norm, self.mlp_norm = (
            nn.LayerNorm(hidden) for _ in range(3)
        )
        self.query = nn.Linear(hidden, hidden)
        self.keys_values = nn.Linear(hidden, 2 * hidden)
        self.null_key_value = nn.Parameter(torch.zeros(1, 1, 2 * hidden))
        """key and value of the empty column, which is always there"""

        self.bias = nn.Parameter(torch.zeros(MAX_DISTANCE + 1, heads))
        self.output = nn.Linear(hidden, hidden)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, hidden)
        )
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, fragments: Tensor, batch: SequenceBatch, own: bool
    ) -> Tensor:
        """x: [S, hidden]. fragments: [S, hidden], those of earlier tokens are seen.

        own: x are the fragments themselves, which also see themselves.
        """
        distances = batch.distances if own else batch.parent_distances
        visible = torch.ones(distances.shape[1:], dtype=torch.bool)
        visible = visible.tril(0 if own else -1)
        visible[:, 0] = True
        query = _to_table(self.query(self.query_norm(x)), batch)
        table = self.key_value_table(fragments, batch)
        seen = self.attend(query, table, distances, visible)
        return self.add(x, seen.flatten(0, 1)[batch.slots])

    def key_value_table(self, fragments: Tensor, batch: SequenceBatch) -> Tensor:
        """Return the keys and values [B, 1 + T, 2 hidden] of fragments [S, hidden]."""
        table = _to_table(self.project(fragments), batch)
        null = self.null_key_value.expand(len(table), 1, -1)
        return torch.cat([null, table[:, 1:]], dim=1)

    def project(self, fragments: Tensor) -> Tensor:
        """Return the keys and values [..., 2 hidden] of fragments [..., hidden]."""
        return self.keys_values(self.key_norm(fragments))

    def attend(
        self, query: Tensor, table: Tensor, distances: Tensor, visible: Tensor
    ) -> Tensor:
        """Return the mean values [B, Q, hidden] that queries [B, Q, hidden] see.

        table: [B, T, 2 hidden] keys and values. distances: [B, Q, T]. visible: those
        that a query sees; a shape that fits [B, heads, Q, T].
        """
        bias = self.bias[distances].permute(0, 3, 1, 2).masked_fill(~visible, MASKED)
        split = [self._split_heads(part) for part in (query, *table.chunk(2, dim=-1))]
        seen = F.scaled_dot_product_attention(*split, attn_mask=bias)
        return seen.transpose(1, 2).flatten(2)

    def add(self, x: Tensor, seen: Tensor) -> Tensor:
        """Return x [..., hidden] with what it has seen, and an MLP."""
        x = x + self.dropout(self.output(seen))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))

    def _split_heads(self, table: Tensor) -> Tensor:
        """[B, T, hidden] to [B, heads, T, hidden / heads]."""
        return table.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _to_table(rows: Tensor, batch: SequenceBatch) -> Tensor:
    """[S, D] to [B, 1 + T, D], 0 where there is no token."""
    count, width = batch.shape
    table = rows.new_zeros(count * width, rows.shape[1])
    return table.index_copy(0, batch.slots, rows).view(count, width, -1)


class FragmentNetwork(nn.Module):
    """From partial molecules to corrections of the log-probabilities of tokens."""

    def __init__(self, config: FragmentNetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.token = nn.Embedding(config.tokens, hidden)
        self.point = nn.Embedding(config.contexts, hidden)
        for embedding in (self.token, self.point):
            nn.init.normal_(embedding.weight, std=0.3)
        self.entry = nn.Linear(hidden, hidden, bias=False)
        self.counts = nn.Linear(3, hidden)
        self.total = nn.Linear(hidden, hidden)
        sizes = hidden, config.heads, config.dropout
        self.queries = nn.ModuleList(
            AttentionLayer(*sizes) for _ in range(config.layers)
        )
        self.updates = nn.ModuleList(
            AttentionLayer(*sizes) for _ in range(config.layers - 1)
        )
        self.norm = nn.LayerNorm(hidden)
        self.last = nn.Linear(hidden, hidden)
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(hidden, config.joining)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def encode_queries(self, batch: SequenceBatch) -> Tensor:
        """Return the vectors q [S, hidden] of the points at which tokens are chosen."""
        own = self.dropout(self.token(batch.tokens))
        sums = torch.cat([own.new_zeros(1, own.shape[1]), own.cumsum(0)])
        before = sums[:-1] - sums[batch.starts]  # of the fragments placed so far
        query = self.begin_queries(batch.contexts, batch.counts, before)
        encoded = self.encode_fragments(own, batch)
        for layer, fragments in zip(self.queries, encoded, strict=True):
            query = layer(query, fragments, batch, False)
        return self.end_queries(query)

    def encode_fragments(self, own: Tensor, batch: SequenceBatch) -> list[Tensor]:
        """Return the fragments [S, hidden] that the queries of each layer see.

        own: [S, hidden] embeddings of the tokens.
        """
        found = [own + self.entry(self.point(batch.contexts))]
        for layer in self.updates:
            found.append(layer(found[-1], found[-1], batch, True))
        return found

    def begin_queries(self, contexts: Tensor, counts: Tensor, before: Tensor) -> Tensor:
        """Return queries [S, hidden] that have not seen any fragment yet.

        before: [S, hidden] sum of the embeddings of the fragments placed so far.
        """
        query = self.point(contexts) + self.counts(counts)
        return query + self.total(before) / TYPICAL_FRAGMENTS

    def end_queries(self, query: Tensor) -> Tensor:
        """Return the vectors q [S, hidden] of queries that have seen all layers."""
        return torch.relu(self.last(self.norm(query)))

    def correct(self, query: Tensor, log_prior: Tensor) -> Tensor:
        """Return logits [B, joining] of vectors q [B, hidden] and the counts' log P."""
        corrections = torch.addmm(self.output.bias, query, self.output.weight.T)
        return log_prior + corrections
