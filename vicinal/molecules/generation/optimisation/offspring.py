"""Children of molecules: regrown by a generator, exchanged with others, or edited."""

import random
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch

from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.fragments import (
    FragmentTree,
    cut_flat_molecule,
    read_without_stereo,
)
from vicinal.molecules.generation.grammar.growth import Growth, grow_from
from vicinal.molecules.generation.model.extension import Extended
from vicinal.molecules.generation.optimisation.edits import edit_molecule, kekulize
from vicinal.molecules.generation.optimisation.moves import (
    Part,
    join_parts,
    split_at,
)
from vicinal.molecules.generation.sampling import Limits, Sampler

RANK_OFFSET = 5
"""parents are drawn in proportion to 1 / (rank + offset), the best having rank 0"""

UNFINISHED = 0.25
"""share of the molecules that are regrown and not finished in their generation"""


class Shares(NamedTuple):
    """Shares of the kinds of children; the others are regrown."""

    exchange: float
    edit: float


class Parent:
    """A molecule that has children; its fragments are found when they are needed."""

    def __init__(self, mol: Any) -> None:
        """mol: without stereochemistry."""
        self.mol = mol

    @cached_property
    def tree(self) -> FragmentTree:
        """Return the fragments."""
        return cut_flat_molecule(self.mol)

    @cached_property
    def editable(self) -> Any:
        """Return the molecule as `edit_molecule` takes it."""
        return kekulize(self.mol)


class Reproduction:
    """Makes children of molecules."""

    def __init__(self, shares: Shares, limits: Limits, seed: int) -> None:
        """limits: sizes from which molecules that are regrown only close."""
        self.shares, self.limits = shares, limits
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.unfinished: list[Growth] = []

    def children(
        self, parents: Sequence[Parent], count: int, model: Extended
    ) -> list[Any]:
        """Return about so many children, molecules of RDKit; a better parent has more.

        parents: the best first. model: what regrows them.
        """
        weights = [1 / (rank + RANK_OFFSET) for rank in range(len(parents))]
        found: list[Any] = []  # None: none was found
        cut: list[FragmentTree] = []
        for _ in range(count):
            parent, other = self.rng.choices(parents, weights, k=2)
            kind = self.rng.random()
            edit = kind < self.shares.edit
            side = None if edit else self._random_side(parent)
            if side is None:
                found.append(edit_molecule(parent.editable, self.rng))
                continue
            known = model.counts.vocabulary.covers(side.tree)
            if known and kind >= self.shares.edit + self.shares.exchange:
                cut.append(side.tree)
            else:
                found.append(self._exchange(side, other))
        found += self._regrow(cut, model)
        return [child for child in found if child is not None]

    def _random_side(self, parent: Parent) -> Part | None:
        """Cut a molecule at random; return a side, a larger one more often.

        None for a molecule of one fragment.
        """
        tree = parent.tree
        if not tree.joins:
            return None
        sides = split_at(tree, self.rng.randrange(len(tree.joins)))
        sizes = [len(side.tree.fragments) for side in sides]
        return self.rng.choices(sides, sizes)[0]

    def _exchange(self, side: Part, other: Parent) -> Any | None:
        """Join a side to one of another molecule; None where that cannot be cut."""
        second = self._random_side(other)
        if second is None:
            return None
        return read_without_stereo(join_tokens(*grow_from(join_parts(side, second), 0)))

    def _regrow(self, cut: Sequence[FragmentTree], model: Extended) -> list[Any]:
        """Fill the open attachment points of molecules that were cut.

        Some that need many steps grow on with those of the next generation.
        """
        growths = [*self.unfinished, *(grow_from(tree, 0) for tree in cut)]
        if not growths:
            return []
        sampler = Sampler(model.counts, model.network, limits=self.limits)
        rest = int(UNFINISHED * len(growths))
        grown = sampler.grow(growths, self.generator, rest)
        texts = [join_tokens(*growth) for growth in grown]
        self.unfinished = [
            growth for growth, text in zip(grown, texts, strict=True) if "*" in text
        ]
        return [read_without_stereo(text) for text in texts if "*" not in text]
