"""Mini-batches of partial molecules: every prefix of every sequence at once."""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary

MAX_DISTANCE = 8
"""distance of two fragments in a tree from which all are counted as equal"""


class SequenceBatch(NamedTuple):
    """B sequences of S tokens in all, the longest of T."""

    tokens: Tensor
    """[S]"""

    contexts: Tensor
    """[S] in which each was chosen"""

    counts: Tensor
    """[S, 3] open attachment points, atoms and tokens before each, scaled"""

    starts: Tensor
    """[S] position at which the sequence of each begins"""

    slots: Tensor
    """[S] place of each in a table [B, 1 + T] whose first column is empty"""

    distances: Tensor
    """[B, 1 + T, 1 + T] bonds between two tokens in the tree"""

    parent_distances: Tensor
    """the same, between the parent of the first and the second"""

    @property
    def shape(self) -> tuple[int, int]:
        """(B, 1 + T)"""
        return self.distances.shape[0], self.distances.shape[1]

    @property
    def joins(self) -> Tensor:
        """[S] whether each token joins another, and does not begin its molecule."""
        return self.starts != torch.arange(len(self.starts))

    @classmethod
    def from_sequences(
        cls, sequences: Sequences, rows: np.ndarray, vocabulary: Vocabulary
    ) -> Self:
        """Return the batch of some sequences [B]."""
        lengths = sequences.lengths[rows]
        starts = np.cumsum(lengths) - lengths
        position = np.arange(lengths.sum()) - np.repeat(starts, lengths)
        at = position + np.repeat(sequences.starts[rows], lengths)
        owner = np.repeat(np.arange(len(rows)), lengths)
        tokens, width = sequences.tokens[at], int(lengths.max())
        parents = np.zeros((len(rows), width), np.int64)
        parents[owner, position] = np.maximum(sequences.parents[at], 0)
        distances = _tree_distances(parents)
        from_parent = np.take_along_axis(distances, parents[:, :, None], 1)
        start = np.repeat(starts, lengths)
        opened = _sums_before(vocabulary.num_sites[tokens], start)
        atoms = _sums_before(vocabulary.num_atoms[tokens], start)
        return cls(
            torch.from_numpy(tokens),
            torch.from_numpy(sequences.contexts[at]),
            scale_counts(opened, atoms, position),
            torch.from_numpy(start),
            torch.from_numpy(owner * (width + 1) + position + 1),
            torch.from_numpy(_with_empty_column(distances)),
            torch.from_numpy(_with_empty_column(from_parent)),
        )


def scale_counts(opened: np.ndarray, atoms: np.ndarray, position: np.ndarray) -> Tensor:
    """Return the features [S, 3] of partial molecules; the arguments are [S].

    opened: attachment points of all fragments. position: number of fragments.
    """
    still_open = opened - np.maximum(position - 1, 0)
    counts = np.stack([still_open / 3, atoms / 20, position / 7], axis=1)
    return torch.from_numpy(counts.astype(np.float32))


def _sums_before(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return for each position [S] the sum of the values before it in its sequence."""
    before = np.cumsum(values) - values
    return before - before[start]


def _tree_distances(parents: np.ndarray) -> np.ndarray:
    """Return distances [B, T, T] in trees of parents [B, T], at most `MAX_DISTANCE`."""
    count, width = parents.shape
    found = np.zeros((count, width, width), np.int64)
    every = np.arange(count)
    for k in range(1, width):
        found[:, k, :k] = found[every, parents[:, k], :k] + 1
        found[:, :k, k] = found[:, k, :k]
    return np.minimum(found, MAX_DISTANCE)


def _with_empty_column(distances: np.ndarray) -> np.ndarray:
    """Put a row and a column before distances [B, T, T]."""
    padding = (0, 0), (1, 0), (1, 0)
    return np.pad(distances, padding, constant_values=MAX_DISTANCE)
