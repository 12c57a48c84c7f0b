"""How often fragments follow each other: the baseline, and the network's prior.

    P(token | context) = (n(context, token) + beta P(token)) / (n(context) + beta)

P(token) is the share of a token among all that join. The first token of a molecule has
the share of its fragment. This is mere recombination of known fragments; what a network
adds is measured beside it. Interpolated smoothing: D. MacKay and L. Bauman Peto: A
Hierarchical Dirichlet Language Model, Natural Language Engineering 1995.
"""

from typing import Self

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary

BETA = 20.0
"""counts that P(token) weighs as much as"""

UNLIKELY = 1e-12
"""share of a fragment that an extended vocabulary has, and that was never counted"""

UNSEEN = 0.1
"""count of a token that was never seen to join, or to begin"""


class FragmentCounts:
    """Counts of tokens by context, with their smoothed probabilities."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        counts: csr_matrix,
        rows: np.ndarray | None = None,
    ) -> None:
        """counts: [rows, tokens]. rows: [contexts] the row of each; None: its own."""
        self.vocabulary, self.counts = vocabulary, counts
        self.rows = np.arange(vocabulary.num_contexts) if rows is None else rows
        self.totals = np.asarray(counts.sum(axis=1)).ravel()
        joining, beginning = vocabulary.num_joining, self.rows[vocabulary.beginning]
        begins = np.asarray(counts[beginning].todense()).ravel()[joining:] + UNSEEN
        joins = np.asarray(counts[:, :joining].sum(axis=0)).ravel() + UNSEEN
        self.shares = joins / joins.sum()
        """[joining tokens] P(token)"""

        self.log_first = np.log(begins / begins.sum())
        """[fragments] of the first token of a molecule"""

    @classmethod
    def from_sequences(cls, parts: list[Sequences], vocabulary: Vocabulary) -> Self:
        """Count tokens in orders of growth of the same molecules, each with a weight.

        parts: as many orders; of each a token counts 1 / len(parts).
        """
        contexts = np.concatenate([part.contexts for part in parts])
        tokens = np.concatenate([part.tokens for part in parts])
        shape = vocabulary.num_contexts, len(vocabulary)
        weights = np.full(len(tokens), 1 / len(parts))
        counts = csr_matrix((weights, (contexts, tokens)), shape=shape)
        counts.sum_duplicates()
        return cls(vocabulary, counts)

    def log_probabilities(self, contexts: np.ndarray) -> np.ndarray:
        """Return log P [B, joining tokens] in contexts [B] of open points, float32."""
        used = self.rows[contexts]
        totals = self.totals[used] + BETA
        found = np.log(BETA / totals)[:, None] + np.log(self.shares)
        starts, ends = self.counts.indptr[used], self.counts.indptr[used + 1]
        rows = np.repeat(np.arange(len(used)), ends - starts)
        within = np.arange(len(rows)) - np.repeat(
            np.cumsum(ends - starts), ends - starts
        )
        at = within + np.repeat(ends, ends - starts)
        tokens = self.counts.indices[at]
        values = self.counts.data[at] + BETA * self.shares[tokens]
        found[rows, tokens] = np.log(values / totals[rows])
        return found.astype(np.float32)

    def without_own(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Return log P [B] of tokens after one is subtracted from their counts.

        In training, where each token was counted: otherwise the network would learn to
        rely on counts that new molecules do not have. One is what a token counts that
        occurs in all orders of growth of its molecule; of others it is too much, which
        made no difference to held-out molecules.
        """
        rows = self.rows[contexts]
        own = np.asarray(self.counts[rows, tokens.copy()]).ravel()
        values = np.maximum(own - 1, 0) + BETA * self.shares[tokens]
        return np.log(values / (self.totals[rows] + BETA)).astype(np.float32)

    def nll(self, sequences: Sequences) -> float:
        """Return the mean negative log-likelihood of tokens, in nats."""
        return -float(self.log_likelihoods(sequences).mean())

    def log_likelihoods(self, sequences: Sequences) -> np.ndarray:
        """Return log P [S] of each token of molecules."""
        first = sequences.parents < 0
        found = np.empty(len(first))
        joining = self.vocabulary.num_joining
        found[first] = self.log_first[sequences.tokens[first] - joining]
        rows, tokens = self.rows[sequences.contexts[~first]], sequences.tokens[~first]
        own = np.asarray(self.counts[rows, tokens]).ravel()
        values = own + BETA * self.shares[tokens]
        found[~first] = np.log(values / (self.totals[rows] + BETA))
        return found
