"""What the generator learns during a search, from the best molecules found so far.

In each context c that occurs among them, the counts are interpolated with theirs,

    P(token | c) = (1 - s) P_counts(token | c) + s P_best(token | c)

which also gives fragments outside the vocabulary a share, and a copy of the network is
trained on them for a few steps. The first is a cache model: R. Kuhn and R. De Mori,
IEEE Trans. Pattern Anal. Mach. Intell. 1990. The second is hill climbing: M. Segler et
al., ACS Cent. Sci. 2018; N. Brown et al.: GuacaMol, 2019, section 5.
"""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import torch
from scipy.sparse import csr_matrix, diags, vstack

from vicinal.molecules.generation.grammar.fragments import FragmentTree
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.model.counts import BETA, FragmentCounts
from vicinal.molecules.generation.model.extension import Extended, extend
from vicinal.molecules.generation.model.network import FragmentNetwork
from vicinal.molecules.generation.model.training import BoundNetwork

SHARE = 0.2
"""s, of the best molecules in P(token | context)"""

STEPS, LR, MOLECULES_PER_STEP = 2, 2e-3, 32


class Learner:
    """Adapts counts and a copy of a network to the best molecules of a search."""

    def __init__(
        self, counts: FragmentCounts, network: FragmentNetwork | None, seed: int
    ) -> None:
        self.model = Extended(counts, deepcopy(network))
        self.generator = torch.Generator().manual_seed(seed)

    def learn(self, best: Sequence[FragmentTree]) -> Extended:
        """Return counts and network after learning from molecules."""
        self.extend(best)
        counts, network = self.model
        ends = [len(tree.fragments) for tree in best]
        firsts = [int(torch.randint(end, (), generator=self.generator)) for end in ends]
        growths = [grow_from(*pair) for pair in zip(best, firsts, strict=True)]
        sequences = Sequences.from_growths(growths, counts.vocabulary)
        mixed = mix_counts(counts, sequences, SHARE)
        if network is not None:
            self._train(network, mixed, sequences)
        return Extended(mixed, network)

    def extend(self, best: Sequence[FragmentTree]) -> Extended:
        """Return counts and network that know the fragments of molecules."""
        fragments = [name for tree in best for name in tree.fragments]
        self.model = extend(*self.model, fragments)
        return self.model

    def _train(
        self, network: FragmentNetwork, counts: FragmentCounts, sequences: Sequences
    ) -> None:
        """Take a few steps on the molecules that have several fragments."""
        rows = np.flatnonzero(sequences.lengths > 1)
        if not len(rows):
            return
        bound = BoundNetwork(network.train(), counts, sequences, leave_one_out=False)
        optimizer = torch.optim.Adam(network.parameters(), lr=LR, fused=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=self.generator)))
            for _ in range(STEPS):
                drawn = torch.randperm(len(rows))[:MOLECULES_PER_STEP].numpy()
                optimizer.zero_grad()
                bound.losses(rows[drawn]).mean().backward()
                optimizer.step()
        network.eval()


def mix_counts(
    counts: FragmentCounts, sequences: Sequences, share: float
) -> FragmentCounts:
    """Return counts that give molecules a share of P(token | context).

    Added are as many of their own as interpolate the smoothed probabilities.
    """
    found, at = np.unique(sequences.contexts, return_inverse=True)
    table, rows = counts.counts, counts.rows.copy()
    ones = np.ones(len(at))
    shape = len(found), len(counts.vocabulary)
    own = csr_matrix((ones, (at, sequences.tokens)), shape)
    weights = (counts.totals[rows[found]] + BETA) * share / (1 - share)
    scale = diags(weights / np.bincount(at))
    added = table[rows[found]] + scale @ own
    rows[found] = len(counts.totals) + np.arange(len(found))
    mixed = FragmentCounts(counts.vocabulary, csr_matrix(vstack([table, added])), rows)
    mixed.shares, mixed.log_first = counts.shares, counts.log_first
    return mixed
