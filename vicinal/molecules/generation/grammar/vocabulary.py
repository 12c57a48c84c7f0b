"""The tokens from which molecules grow, as arrays."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

import numpy as np
from rdkit import Chem

from vicinal.molecules.generation.grammar.fragments import FragmentTree
from vicinal.molecules.generation.grammar.growth import ENTRY, Growth, root_fragment

Environment = tuple[int, ...]
"""what the atom of an attachment point is: element, aromatic or not, in a ring or not,
number of bonds, charge"""


class TokenParts(NamedTuple):
    """The atoms of a token, and its open attachment points in their order."""

    num_atoms: int
    """heavy atoms"""

    kinds: list[int]
    """of each point, numbered from 0; equivalent ones have the same"""

    environments: list[Environment]
    """of the points of each kind"""


class Vocabulary:
    """Fragments with all ways in which they begin a molecule or join it.

    The first `num_joining` tokens join an open attachment point, the others begin a
    molecule. A *context* is an open point of a token, with those that are equivalent by
    symmetry; the last context is the beginning of a molecule.
    """

    def __init__(self, fragments: Sequence[str]) -> None:
        """fragments: canonical SMILES, as of `cut_molecule`."""
        self.fragments = list(fragments)
        joining: dict[str, int] = {}
        for fragment in self.fragments:
            for entry in range(fragment.count("*")):
                joining.setdefault(root_fragment(fragment, entry).token, len(joining))
        self.num_joining = len(joining)
        first = {fragment: self.num_joining + k for k, fragment in enumerate(fragments)}
        self.numbers = {**joining, **first}
        self.tokens = list(self.numbers)
        parts = [describe_token(token) for token in self.tokens]
        self.num_sites = np.array([len(part.kinds) for part in parts], np.int64)
        self.num_atoms = np.array([part.num_atoms for part in parts], np.int64)
        num_kinds = np.array([len(part.environments) for part in parts], np.int64)
        starts = np.cumsum(num_kinds) - num_kinds
        kinds = np.array([kind for part in parts for kind in part.kinds], np.int64)
        width = max(self.num_sites, default=0)
        self.contexts = np.full((len(parts), width), -1)
        """[tokens, sites] context of each open attachment point, -1 where none is"""

        present = np.arange(width) < self.num_sites[:, None]
        self.contexts[present] = np.repeat(starts, self.num_sites) + kinds
        every = [environment for part in parts for environment in part.environments]
        self.environments: list[Environment] = [*every, ()]
        """[contexts] of the open points; () of the beginning"""

        self.num_contexts = len(self.environments)

    @property
    def beginning(self) -> int:
        """Return the context of the first token."""
        return self.num_contexts - 1

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def from_molecules(cls, trees: Iterable[FragmentTree], min_count: int) -> Self:
        """Return the fragments that occur `min_count` times, the most frequent first.

        Of equally frequent ones the first in alphabetical order comes first.
        """
        counts = Counter(name for tree in trees for name in tree.fragments)
        kept = [name for name, count in counts.items() if count >= min_count]
        return cls(sorted(kept, key=lambda name: (-counts[name], name)))

    def covers(self, tree: FragmentTree) -> bool:
        """Return whether all fragments of a molecule are known."""
        return all(fragment in self.numbers for fragment in tree.fragments)


@lru_cache(200_000)
def describe_token(token: str) -> TokenParts:
    """Return the atoms and the open attachment points of a token."""
    mol = Chem.MolFromSmiles(token)
    ranks = list(Chem.CanonicalRankAtoms(mol, breakTies=False))
    points = [
        atom
        for atom in mol.GetAtoms()
        if not atom.GetAtomicNum() and atom.GetIsotope() != ENTRY
    ]
    numbers: dict[int, int] = {}
    environments: list[Environment] = []
    for point in points:
        rank = ranks[point.GetIdx()]
        if rank not in numbers:
            numbers[rank] = len(numbers)
            environments.append(_environment(point.GetNeighbors()[0]))
    return TokenParts(
        sum(atom.GetAtomicNum() > 0 for atom in mol.GetAtoms()),
        [numbers[ranks[point.GetIdx()]] for point in points],
        environments,
    )


def _environment(atom: Any) -> Environment:
    return (
        atom.GetAtomicNum(),
        atom.GetIsAromatic(),
        atom.IsInRing(),
        atom.GetTotalDegree(),
        atom.GetFormalCharge(),
    )


class Sequences:
    """Molecules as sequences of tokens, in flat arrays of S tokens in all."""

    def __init__(
        self,
        lengths: np.ndarray,
        tokens: np.ndarray,
        parents: np.ndarray,
        sites: np.ndarray,
        vocabulary: Vocabulary,
    ) -> None:
        """lengths: [M]. tokens, parents, sites: [S], as of `Growth`."""
        self.lengths, self.tokens, self.parents = lengths, tokens, parents
        self.sites = sites
        self.starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.starts[:-1], lengths) + np.maximum(parents, 0)
        found = vocabulary.contexts[tokens[at], np.maximum(sites, 0)]
        self.contexts = np.where(parents < 0, vocabulary.beginning, found)
        """[S] the context in which each token was chosen"""

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def concatenate(cls, parts: Sequence[Self], vocabulary: Vocabulary) -> Self:
        """Return the sequences of all parts."""
        return cls(
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.parents for part in parts]),
            np.concatenate([part.sites for part in parts]),
            vocabulary,
        )

    @classmethod
    def from_growths(cls, growths: Sequence[Growth], vocabulary: Vocabulary) -> Self:
        """Return growths whose tokens are all in the vocabulary."""
        numbers = vocabulary.numbers
        return cls(
            np.array([len(growth.tokens) for growth in growths], np.int64),
            np.array([numbers[t] for g in growths for t in g.tokens], np.int64),
            np.array([k for g in growths for k in g.parents], np.int64),
            np.array([k for g in growths for k in g.sites], np.int64),
            vocabulary,
        )
