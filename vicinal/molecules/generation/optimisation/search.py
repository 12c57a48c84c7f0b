"""A genetic search whose children are regrown by a generator.

A child is a parent of which one side was cut off and regrown, or exchanged for a side
of another parent, or a parent with one atom edited. J. Jensen: A graph-based genetic
algorithm, Chem. Sci. 2019, with the generator in place of random mutations.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from rdkit import Chem

from vicinal.core.settings import Settings, is_integer, is_number
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.molecules.generation.evaluation.similarity import diversity
from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.fragments import (
    FragmentTree,
    cut_molecule,
    without_stereo,
)
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.extension import extend
from vicinal.molecules.generation.model.network import FragmentNetwork
from vicinal.molecules.generation.optimisation.moves import (
    Part,
    edit_molecule,
    join_parts,
    split_at,
)
from vicinal.molecules.generation.optimisation.objectives import Objective
from vicinal.molecules.generation.sampling import Limits, Sampler
from vicinal.molecules.generation.selection import Selection

RANK_OFFSET = 10
"""parents are drawn in proportion to 1 / (rank + offset), the best having rank 0"""

MAX_FRUITLESS = 50
"""generations without a new molecule after which a search ends"""

COLLAPSED = 0.2
"""diversity of the best below which they are variants of one molecule"""


@dataclass(frozen=True, kw_only=True)
class SearchSettings(Settings):
    """Options of a search."""

    budget: int = 3000
    """different molecules that are scored at most"""

    population: int = 100
    """best molecules, from which parents are drawn"""

    offspring: int = 50
    """children of each generation"""

    exchange: float = 0.3
    """share of children that get a side of another parent"""

    edit: float = 0.1
    """share of children with one atom edited; the others are regrown"""

    max_atoms: int = 60
    """heavy atoms of the largest molecule that is scored"""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("budget", "population", "offspring", "max_atoms"):
            value = getattr(self, name)
            self.require(name, is_integer(value, 1), "a whole number, 1 or more")
        for name in ("exchange", "edit"):
            value = getattr(self, name)
            share = is_number(value) and 0 <= value <= 1
            self.require(name, share, "from 0 to 1")
        fits = self.exchange + self.edit <= 1
        self.require("edit", fits, f"at most 1 - exchange ({1 - self.exchange:g})")


class SearchResult(NamedTuple):
    """The molecules that were scored, the best first."""

    smiles: list[str]
    scores: np.ndarray
    """[N]"""

    number: np.ndarray
    """[N] how many had been scored before each"""

    diversity: float
    """1 - mean similarity of the best `population`"""

    def select(self, wanted: Selection) -> Self:
        """Return the molecules that are wanted; DataError where there is none."""
        mols = map(Chem.MolFromSmiles, self.smiles)
        fits = np.array(
            [wanted.accepts(mol, k) for mol, k in zip(mols, self.smiles, strict=True)]
        )
        if not fits.any():
            raise DataError(
                f"None of {pluralize(len(fits), 'molecule')} that were scored is as "
                "wanted. Widen the limits, or begin with molecules that meet them."
            )
        smiles = [k for k, fit in zip(self.smiles, fits, strict=True) if fit]
        return self._replace(
            smiles=smiles, scores=self.scores[fits], number=self.number[fits]
        )

    @property
    def collapsed(self) -> bool:
        """Return whether the best are variants of one molecule."""
        return self.diversity < COLLAPSED


class Search:
    """One search; the generator's counts and network regrow what was cut off."""

    def __init__(
        self,
        counts: FragmentCounts,
        network: FragmentNetwork | None,
        objective: Objective,
        settings: SearchSettings,
        seed: int = 0,
    ) -> None:
        self.counts, self.network = counts, network
        self.objective, self.settings = objective, settings
        self.rng = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.scores: dict[str, float] = {}
        """of each molecule, in the order in which they were scored"""

        self._trees: dict[str, FragmentTree] = {}

    def run(
        self,
        start: Sequence[str],
        report_progress: Callable[[int, int], None] | None = None,
    ) -> SearchResult:
        """Search from some molecules; DataError where none can be used.

        report_progress: called with (molecules scored, budget) after each generation.
        """
        budget, fruitless = self.settings.budget, 0
        self._score([*start])
        if not self.scores:
            raise DataError("A search needs molecules to begin with. Got none.")
        while len(self.scores) < budget and fruitless < MAX_FRUITLESS:
            before = len(self.scores)
            self._score(self._children())
            fruitless = 0 if len(self.scores) > before else fruitless + 1
            if report_progress is not None:
                report_progress(len(self.scores), budget)
        return self._result()

    def _result(self) -> SearchResult:
        number = {smiles: k for k, smiles in enumerate(self.scores)}
        best = self._best(len(self.scores))
        top = [Chem.MolFromSmiles(k) for k in best[: self.settings.population]]
        return SearchResult(
            best,
            np.array([self.scores[smiles] for smiles in best]),
            np.array([number[smiles] for smiles in best]),
            diversity(top),
        )

    def _best(self, count: int) -> list[str]:
        return sorted(self.scores, key=lambda k: -self.scores[k])[:count]

    def _score(self, candidates: Sequence[str]) -> None:
        """Score new molecules, as far as the budget allows."""
        mols: dict[str, Any] = {}
        for text in candidates:
            mol = Chem.MolFromSmiles(text)
            if mol is None or mol.GetNumHeavyAtoms() > self.settings.max_atoms:
                continue
            smiles = Chem.MolToSmiles(without_stereo(mol))
            room = len(self.scores) + len(mols) < self.settings.budget
            if room and smiles not in self.scores:
                mols[smiles] = Chem.MolFromSmiles(smiles)
        if mols:
            found = self.objective([*mols.values()])
            self.scores.update(zip(mols, map(float, found), strict=True))

    def _children(self) -> list[str]:
        """Return the SMILES of one generation."""
        parents = self._best(self.settings.population)
        weights = [1 / (rank + RANK_OFFSET) for rank in range(len(parents))]
        settings = self.settings
        found: list[str] = []
        cut: list[FragmentTree] = []
        for _ in range(settings.offspring):
            parent, other = self.rng.choices(parents, weights, k=2)
            kind = self.rng.random()
            if kind < settings.edit:
                edited = edit_molecule(Chem.MolFromSmiles(parent), self.rng)
                found += [] if edited is None else [edited]
                continue
            side = self._random_side(parent)
            if side is None:
                continue
            if kind < settings.edit + settings.exchange:
                second = self._random_side(other)
                if second is not None:
                    joined = join_parts(side, second)
                    found.append(join_tokens(*grow_from(joined, 0)))
            else:
                cut.append(side.tree)
        return found + self._regrow(cut)

    def _random_side(self, smiles: str) -> Part | None:
        """Cut a molecule at random; return a side, a larger one more often.

        None for a molecule of one fragment.
        """
        tree = self._trees.get(smiles)
        if tree is None:
            tree = self._trees[smiles] = cut_molecule(Chem.MolFromSmiles(smiles))
        if not tree.joins:
            return None
        sides = split_at(tree, self.rng.randrange(len(tree.joins)))
        sizes = [len(side.tree.fragments) for side in sides]
        return self.rng.choices(sides, sizes)[0]

    def _regrow(self, cut: Sequence[FragmentTree]) -> list[str]:
        """Fill the open attachment points of molecules that were cut."""
        if not cut:
            return []
        fragments = [name for tree in cut for name in tree.fragments]
        counts, network = extend(self.counts, self.network, fragments)
        limits = Limits(atoms=self.settings.max_atoms - 10)
        sampler = Sampler(counts, network, limits=limits)
        grown = sampler.grow([grow_from(tree, 0) for tree in cut], self.generator)
        return [join_tokens(*growth) for growth in grown]
