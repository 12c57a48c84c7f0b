"""The network's queries for molecules that grow, step by step.

A fragment sees only those placed before it, so its keys and values stay the same as the
molecule grows. They are kept, and each step encodes one fragment and one query of each
molecule: N. Shazeer: Fast Transformer Decoding, 2019, section 2.3.
"""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.batches import (
    MAX_DISTANCE,
    SequenceBatch,
    scale_counts,
)
from vicinal.molecules.generation.model.network import AttentionLayer, FragmentNetwork

ROOM = 8
"""slots by which tables become longer at once"""


class IncrementalEncoder:
    """Keys and values of the fragments of B molecules that grow side by side.

    Slot 0 of a table is that of the null key, slot 1 + k that of fragment k.
    """

    distances: Tensor
    """[B, T, T] bonds between the fragments of two slots"""

    sums: Tensor
    """[B, hidden] of the embeddings of all fragments"""

    sizes: np.ndarray
    """[B, 2] attachment points and atoms of all fragments"""

    def __init__(self, network: FragmentNetwork, vocabulary: Vocabulary) -> None:
        self.network, self.vocabulary = network, vocabulary
        self.query_layers = cast("list[AttentionLayer]", [*network.queries])
        self.updates = cast("list[AttentionLayer]", [*network.updates])
        self.rows = np.empty(0, np.int64)
        self.tables: list[Tensor] = []
        """[B, T, 2 hidden] of each layer of queries, then of each of fragments"""

    def queries(self, rows: np.ndarray, sequences: Sequences) -> Tensor:
        """Return the vectors q [R, hidden] of the points that are filled next.

        rows: [R] numbers of the molecules, ascending; in the first call of all that
        grow. sequences: these molecules, with the point as a last token, whose kind
        does not matter; since the last call each has grown by one fragment.
        """
        last = sequences.starts[1:] - 1
        if not self.tables:
            self._begin(rows, sequences, last)
            at = np.arange(len(rows))
        else:
            at = np.searchsorted(self.rows, rows)
            self._add(at, sequences, last - 1)
        owner = torch.from_numpy(at)
        contexts = torch.from_numpy(sequences.contexts[last])
        position = sequences.lengths - 1
        opened, atoms = self.sizes[at].T
        counts = scale_counts(opened, atoms, position)
        network = self.network
        query = network.begin_queries(contexts, counts, self.sums[owner])
        parents = torch.from_numpy(sequences.parents[last] + 1)
        distances = self.distances[owner, parents]
        visible = self._visible(position + 1)
        for layer, table in zip(self.query_layers, self.tables, strict=False):
            query = _attend(layer, query, table[owner], distances, visible)
        return network.end_queries(query)

    def _begin(self, rows: np.ndarray, sequences: Sequences, last: np.ndarray) -> None:
        """Encode all fragments but the last of each molecule."""
        every, network = np.arange(len(rows)), self.network
        batch = SequenceBatch.from_sequences(sequences, every, self.vocabulary)
        own = network.token(batch.tokens)
        encoded = network.encode_fragments(own, batch)
        self.rows, self.distances = rows, batch.distances
        layers = self.query_layers + self.updates
        pairs = zip(layers, encoded + encoded, strict=False)
        self.tables = [layer.key_value_table(x, batch) for layer, x in pairs]
        before = np.ones(len(sequences.tokens), bool)
        before[last] = False
        owner = np.repeat(every, sequences.lengths)
        at = torch.from_numpy(owner[before])
        shape = len(rows), own.shape[1]
        self.sums = own.new_zeros(shape).index_add_(0, at, own[before])
        sizes = self._sizes(sequences.tokens) * before[:, None]
        self.sizes = np.add.reduceat(sizes, sequences.starts[:-1])

    def _add(self, at: np.ndarray, sequences: Sequences, new: np.ndarray) -> None:
        """Encode one more fragment of each molecule; new: [R] where it is."""
        slots = torch.from_numpy(sequences.lengths - 1)
        self._make_room(int(slots.max()) + 1)
        owner, network = torch.from_numpy(at), self.network
        tokens = torch.from_numpy(sequences.tokens[new])
        contexts = torch.from_numpy(sequences.contexts[new])
        distances = self._add_distances(owner, slots, sequences.parents[new] + 1)
        own = network.token(tokens)
        self.sums[owner] += own
        self.sizes[at] += self._sizes(sequences.tokens[new])
        fragment = own + network.entry(network.point(contexts))
        visible = self._visible(sequences.lengths)
        count = len(self.query_layers)
        for k, layer in enumerate(self.query_layers):
            self.tables[k][owner, slots] = layer.project(fragment)
            if k < len(self.updates):
                update, table = self.updates[k], self.tables[count + k]
                table[owner, slots] = update.project(fragment)
                fragment = _attend(update, fragment, table[owner], distances, visible)

    def _add_distances(
        self, owner: Tensor, slots: Tensor, parents: np.ndarray
    ) -> Tensor:
        """Write and return the distances [R, T] of new fragments from all others."""
        found = self.distances[owner, torch.from_numpy(parents)]
        found = (found + 1).clamp(max=MAX_DISTANCE)
        found[:, 0] = MAX_DISTANCE
        found[torch.arange(len(slots)), slots] = 0
        self.distances[owner, slots] = found
        self.distances[owner, :, slots] = found
        return found

    def _make_room(self, width: int) -> None:
        """Make the tables longer where they have less than `width` slots."""
        if width > self.distances.shape[1]:
            more = width + ROOM - self.distances.shape[1]
            self.distances = F.pad(self.distances, (0, more, 0, more))
            self.tables = [F.pad(table, (0, 0, 0, more)) for table in self.tables]

    def _sizes(self, tokens: np.ndarray) -> np.ndarray:
        """Return the attachment points and atoms [S, 2] of tokens."""
        vocabulary = self.vocabulary
        found = vocabulary.num_sites[tokens], vocabulary.num_atoms[tokens]
        return np.stack(found, axis=1)

    def _visible(self, ends: np.ndarray) -> Tensor:
        """Return [R, T] whether a slot comes before `ends` [R]."""
        slots = torch.arange(self.distances.shape[1])
        return slots < torch.from_numpy(ends)[:, None]


def _attend(
    layer: AttentionLayer,
    x: Tensor,
    table: Tensor,
    distances: Tensor,
    visible: Tensor,
) -> Tensor:
    """Return x [R, hidden], one of each molecule, after it has seen a table."""
    query = layer.query(layer.query_norm(x))
    one = distances[:, None], visible[:, None, None]
    return layer.add(x, layer.attend(query[:, None], table, *one)[:, 0])
