"""A genetic search whose children are regrown by a generator.

A child is a parent of which one side was cut off and regrown, or exchanged for a side
of another parent, or a parent with one edit. J. Jensen: A graph-based genetic
algorithm, Chem. Sci. 2019, with the generator in place of most random mutations. Of
several children for each evaluation a Gaussian process chooses, and the generator
learns from the best molecules. Several scores are maximised as in NSGA-II (`pareto`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from rdkit import Chem

from vicinal.core.settings import Settings, is_integer, is_number
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.molecules.generation.evaluation.metrics import scaffold_of
from vicinal.molecules.generation.evaluation.similarity import diversity
from vicinal.molecules.generation.grammar.fragments import read_without_stereo
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.extension import Extended
from vicinal.molecules.generation.model.network import FragmentNetwork
from vicinal.molecules.generation.optimisation.learning import Learner
from vicinal.molecules.generation.optimisation.objectives import Objective
from vicinal.molecules.generation.optimisation.offspring import (
    Parent,
    Reproduction,
    Shares,
)
from vicinal.molecules.generation.optimisation.pareto import (
    non_dominated_fronts,
    order_by_dominance,
)
from vicinal.molecules.generation.optimisation.surrogate import (
    GaussianProcess,
    count_fingerprints,
    lowest_for_missing,
)
from vicinal.molecules.generation.sampling import Limits
from vicinal.molecules.generation.selection import Selection

MAX_FRUITLESS = 50
"""generations without a new molecule after which a search ends"""

COLLAPSED = 0.2
"""diversity of the best below which they are variants of one molecule"""

MAX_FITTED = 200
"""molecules that the Gaussian process is fitted to at most"""

OPTIMISM = 0.5
"""standard deviations that are added to predicted scores: uncertain ones are tried"""

MAX_WAITING = 50
"""candidates that wait to be chosen"""

REFRESH = 500
"""evaluations after which the vocabulary is extended by fragments of the best"""


@dataclass(frozen=True, kw_only=True)
class SearchSettings(Settings):
    """Options of a search."""

    budget: int = 3000
    """different molecules that are scored at most"""

    population: int = 100
    """best molecules, from which parents are drawn"""

    offspring: int = 25
    """children of each generation that are scored"""

    candidates: float = 2.5
    """children that are made for each that is scored; a Gaussian process chooses"""

    exchange: float = 0.25
    """share of children that get a side of another parent"""

    edit: float = 0.4
    """share of children with one edit of an atom, a bond or a group; the others are
    regrown"""

    learn: bool = True
    """adapt the generator to the best molecules during the search"""

    use_network: bool = False
    """regrow by the network as well as by the counts, in 1.1 to 1.4 times the time; on
    the benchmark's objectives without a clear gain (benchmarks/README.md)"""

    per_scaffold: int | None = None
    """molecules of the population that share a scaffold at most; None: no limit"""

    max_atoms: int = 60
    """heavy atoms of the largest molecule that is scored"""

    def __post_init__(self) -> None:
        super().__post_init__()
        names = "budget", "population", "offspring", "max_atoms"
        for name in names:
            value = getattr(self, name)
            self.require(name, is_integer(value, 1), "a whole number, 1 or more")
        many = is_number(self.candidates) and self.candidates >= 1
        self.require("candidates", many, "1 or more")
        for name in ("exchange", "edit"):
            value = getattr(self, name)
            share = is_number(value) and 0 <= value <= 1
            self.require(name, share, "from 0 to 1")
        fits = self.exchange + self.edit <= 1
        self.require("edit", fits, f"at most 1 - exchange ({1 - self.exchange:g})")
        limit = self.per_scaffold is None or is_integer(self.per_scaffold, 1)
        self.require("per_scaffold", limit, "None, or a whole number, 1 or more")


class SearchResult(NamedTuple):
    """The molecules that were scored, the best first.

    With several scores: by front, and the least crowded first; see `pareto`.
    """

    smiles: list[str]
    scores: np.ndarray
    """[N], or [N, K] of an objective with K scores"""

    number: np.ndarray
    """[N] how many had been scored before each"""

    diversity: float
    """1 - mean similarity of the best `population`"""

    num_unscored: int = 0
    """molecules without a finite score, which are left out"""

    def select(self, wanted: Selection) -> Self:
        """Return the molecules that are wanted; DataError where there is none."""
        mols = map(Chem.MolFromSmiles, self.smiles)
        fits = np.array(
            [wanted.accepts(mol, k) for mol, k in zip(mols, self.smiles, strict=True)]
        )
        if not fits.any():
            raise DataError(
                f"None of {pluralize(len(fits), 'scored molecule')} meets the "
                "conditions. Widen them, or start from molecules that meet them."
            )
        smiles = [k for k, fit in zip(self.smiles, fits, strict=True) if fit]
        return self._replace(
            smiles=smiles, scores=self.scores[fits], number=self.number[fits]
        )

    @property
    def collapsed(self) -> bool:
        """Return whether the best are variants of one molecule."""
        return self.diversity < COLLAPSED

    @property
    def front(self) -> list[str]:
        """Return the molecules that no other dominates; those with the best score."""
        if self.scores.ndim == 1:
            rows = np.flatnonzero(self.scores == self.scores[0])
        else:
            rows = non_dominated_fronts(self.scores)[0]
        return [self.smiles[row] for row in rows]


class Search:
    """One search; the generator's counts and network regrow what was cut off."""

    def __init__(
        self,
        counts: FragmentCounts,
        network: FragmentNetwork | None,
        objective: Objective,
        settings: SearchSettings,
        seed: int = 0,
        wanted: Selection | None = None,
    ) -> None:
        """wanted: molecules outside its limits of weight are not scored."""
        self.objective, self.settings = objective, settings
        network = network if settings.use_network else None
        self.wanted = wanted or Selection()
        limits = Limits(atoms=settings.max_atoms - 10)
        shares = Shares(settings.exchange, settings.edit)
        self.reproduction = Reproduction(shares, limits, seed)
        self.learner = Learner(counts, network, seed)
        self.model = Extended(counts, network)
        self.rng = np.random.default_rng(seed)
        self.scores: dict[str, np.ndarray] = {}
        """[K] of each molecule, in the order in which they were scored; -inf: none"""

        self.population: list[str] = []
        """the best first"""

        self._parents: dict[str, Parent] = {}
        """the molecules of the population"""

        self._waiting: dict[str, Any] = {}
        """candidates that were not chosen yet"""

        self._prints: dict[str, np.ndarray] = {}
        self._scaffolds: dict[str, str] = {}

    def run(
        self,
        start: Sequence[str],
        report_progress: Callable[[int, int], None] | None = None,
    ) -> SearchResult:
        """Search from some molecules; DataError where none can be used.

        report_progress: called with (molecules scored, budget) after each generation.
        """
        budget, fruitless, refresh_at = self.settings.budget, 0, 0
        mols = [read_without_stereo(smiles) for smiles in start]
        self._score(self._new_molecules(mol for mol in mols if mol is not None))
        if not self.scores:
            raise DataError(
                "A search needs starting molecules within the limits. Got none."
            )
        while len(self.scores) < budget and fruitless < MAX_FRUITLESS:
            if len(self.scores) >= refresh_at:
                self._refresh()
                refresh_at = len(self.scores) + REFRESH
            found = self._score(self._choose(self._children()))
            fruitless = 0 if found else fruitless + 1
            if report_progress is not None:
                report_progress(len(self.scores), budget)
        return self._result()

    def _refresh(self) -> None:
        """Extend the vocabulary by the fragments of the population; learn from it."""
        trees = [self._parents[smiles].tree for smiles in self.population]
        learner = self.learner
        learns = self.settings.learn
        self.model = learner.learn(trees) if learns else learner.extend(trees)

    def _children(self) -> dict[str, Any]:
        count = round(self.settings.offspring * self.settings.candidates)
        parents = [self._parents[smiles] for smiles in self.population]
        children = self.reproduction.children(parents, count, self.model)
        return self._new_molecules(children)

    def _new_molecules(self, mols: Iterable[Any]) -> dict[str, Any]:
        """Return molecules by canonical SMILES, of those that were not scored."""
        found: dict[str, Any] = {}
        for mol in mols:
            if mol.GetNumHeavyAtoms() > self.settings.max_atoms:
                continue
            smiles = Chem.MolToSmiles(mol)
            known = smiles in self.scores or smiles in self._waiting
            if not known and self.wanted.fits(mol):
                found.setdefault(smiles, mol)
        return found

    def _choose(self, children: dict[str, Any]) -> dict[str, Any]:
        """Return the candidates whose predicted scores are best, `offspring` of them.

        The best of the others wait for the next generations.
        """
        count = self.settings.offspring
        candidates = self._waiting | children
        fitted = self._fitted_molecules()
        scores = lowest_for_missing(np.array([self.scores[name] for name in fitted]))
        any_order = self.settings.candidates == 1 or not np.isfinite(scores).all()
        if any_order or len(candidates) <= count:
            self._waiting = dict([*candidates.items()][count : count + MAX_WAITING])
            return dict([*candidates.items()][:count])
        names = [*candidates]
        process = GaussianProcess(self._fingerprints(fitted), scores)
        mean, sd = process.predict(self._fingerprints(names, candidates))
        order = order_by_dominance(mean + OPTIMISM * sd)
        waiting = order[count : count + MAX_WAITING]
        for row in order[count + MAX_WAITING :]:
            del self._prints[names[row]]
        self._waiting = {names[row]: candidates[names[row]] for row in waiting}
        return {names[row]: candidates[names[row]] for row in order[:count]}

    def _fitted_molecules(self) -> list[str]:
        """Return the population, and random ones of the other molecules."""
        inside = set(self.population)
        best = [smiles for smiles in self.scores if smiles in inside]
        others = [smiles for smiles in self.scores if smiles not in inside]
        rows = self.rng.permutation(len(others))[: max(MAX_FITTED - len(best), 0)]
        return best + [others[row] for row in rows]

    def _fingerprints(
        self, names: Sequence[str], mols: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Return the fingerprints [N, D] of molecules; mols: those of new ones."""
        new = [name for name in names if name not in self._prints]
        if new and mols is not None:
            made = count_fingerprints([mols[name] for name in new])
            self._prints.update(zip(new, made, strict=True))
        return np.array([self._prints[name] for name in names])

    def _score(self, mols: dict[str, Any]) -> int:
        """Score molecules as far as the budget allows; return how many."""
        room = self.settings.budget - len(self.scores)
        names = [*mols][:room]
        if not names:
            return 0
        chosen = [mols[name] for name in names]
        found = score_table(self.objective, chosen)
        found[~np.isfinite(found).all(axis=1)] = -np.inf
        self.scores.update(zip(names, found, strict=True))
        self._fingerprints(names, mols)
        self._parents |= {name: Parent(mols[name]) for name in names}
        self._select([*self.population, *names])
        return len(names)

    def _select(self, candidates: list[str]) -> None:
        """Make the best of some molecules the population."""
        order = order_by_dominance(np.array([self.scores[k] for k in candidates]))
        best = [candidates[row] for row in order]
        limit = self.settings.per_scaffold
        if limit is not None:
            best = self._limit_scaffolds(best, limit)
        self.population = best[: self.settings.population]
        self._parents = {smiles: self._parents[smiles] for smiles in self.population}

    def _limit_scaffolds(self, best: list[str], limit: int) -> list[str]:
        """Return the first molecules of each scaffold."""
        kept: list[str] = []
        counts: Counter[str] = Counter()
        for smiles in best:
            scaffold = self._scaffolds.get(smiles)
            if scaffold is None:
                scaffold = scaffold_of(Chem.MolFromSmiles(smiles))
                self._scaffolds[smiles] = scaffold
            counts[scaffold] += 1
            if counts[scaffold] <= limit:
                kept.append(smiles)
        return kept

    def _result(self) -> SearchResult:
        names = [*self.scores]
        table = np.array([*self.scores.values()])
        order = order_by_dominance(table)
        order = order[np.isfinite(table[order]).all(axis=1)]
        if not len(order):
            raise DataError(
                f"None of {pluralize(len(names), 'molecule')} has a finite score."
            )
        smiles = [names[row] for row in order]
        top = [Chem.MolFromSmiles(k) for k in smiles[: self.settings.population]]
        scores = table[order]
        return SearchResult(
            smiles,
            scores[:, 0] if scores.shape[1] == 1 else scores,
            order,
            diversity(top),
            len(names) - len(order),
        )


def score_table(objective: Objective, mols: Sequence[Any]) -> np.ndarray:
    """Return the scores [N, K] of molecules.

    DataError where the objective does not return one, or a row of them, for each.
    """
    try:
        found = np.array(objective(mols), float)
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(
            "The objective must take a list of molecules of RDKit, and return a score "
            f"for each. It failed: {error}"
        ) from error
    if found.ndim not in (1, 2) or len(found) != len(mols):
        raise DataError(
            f"The objective must return a score, or a row of scores, for each of "
            f"{len(mols)} molecules. Got an array of the shape {found.shape}."
        )
    return found.reshape(len(mols), -1)
