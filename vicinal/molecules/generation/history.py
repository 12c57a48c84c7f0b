"""How a molecule grew: each choice, by the counts and by the network.

    log P(token) = log P_counts(token | context) + correction - log Z

The correction is what the network adds, and Z = sum_t P_counts(t) exp(correction_t).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from rdkit import Chem

from vicinal.molecules.generation.fitted_generator import FittedGenerator
from vicinal.molecules.generation.grammar.assembly import join_tokens
from vicinal.molecules.generation.grammar.fragments import (
    cut_molecule,
    in_canonical_order,
)
from vicinal.molecules.generation.grammar.growth import Growth, grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.model.batches import SequenceBatch
from vicinal.molecules.generation.model.counts import FragmentCounts
from vicinal.molecules.generation.model.extension import extend
from vicinal.molecules.generation.model.network import FragmentNetwork


class TokenChoice(NamedTuple):
    """A token at an open attachment point; natural logarithms."""

    token: str
    """fragment with the point by which it joins as [1*], other open points as *"""

    log_counts: float
    """log P by the counts alone"""

    correction: float
    """what the network adds; 0 without one, and for the first fragment"""

    log_probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as JSON values."""
        return self._asdict() | {
            "probability_counts": float(np.exp(self.log_counts)),
            "probability": float(np.exp(self.log_probability)),
        }


class GrowthStep(NamedTuple):
    """The choice of one fragment."""

    number: int
    """of the fragment, from 0"""

    parent: int
    """number of the fragment that it joins; -1 of the first"""

    site: int
    """attachment point of the parent, from 0; -1"""

    chosen: TokenChoice
    log_normaliser: float
    """log Z"""

    alternatives: list[TokenChoice]
    """the most probable tokens there, the best first"""

    rank: int
    """how many tokens are more probable than the chosen one"""

    partial: str
    """the molecule so far, with * at open attachment points; the atoms of this fragment
    are the last"""

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON values."""
        return self._asdict() | {
            "chosen": self.chosen.to_dict(),
            "alternatives": [each.to_dict() for each in self.alternatives],
        }


class MoleculeHistory(NamedTuple):
    """All steps of a molecule."""

    smiles: str
    steps: list[GrowthStep]
    unknown: list[str]
    """fragments that are not in the vocabulary"""

    @property
    def nll(self) -> float:
        """Return the negative log-likelihood, in nats."""
        return -sum(step.chosen.log_probability for step in self.steps)

    @property
    def nll_counts(self) -> float:
        """Return that of the counts alone."""
        return -sum(step.chosen.log_counts for step in self.steps)

    @property
    def max_error(self) -> float:
        """Return the largest difference of a log-probability from its terms' sum."""
        return max(
            abs(
                step.chosen.log_counts
                + step.chosen.correction
                - step.log_normaliser
                - step.chosen.log_probability
            )
            for step in self.steps
        )


def trace_growth(model: FittedGenerator, mol: Any, top: int = 5) -> MoleculeHistory:
    """Return the order of growth of a molecule from its first fragment.

    mol: connected, of RDKit. top: alternatives at each step.
    """
    smiles = Chem.MolToSmiles(mol)
    tree = cut_molecule(in_canonical_order(mol))
    known = set(model.vocabulary.fragments)
    unknown = [name for name in dict.fromkeys(tree.fragments) if name not in known]
    counts, network = extend(model.counts, model.network, tree.fragments)
    growth = grow_from(tree, 0)
    steps = _steps(counts, network, growth, top)
    return MoleculeHistory(smiles, steps, unknown)


@torch.no_grad()
def _steps(
    counts: FragmentCounts, network: FragmentNetwork | None, growth: Growth, top: int
) -> list[GrowthStep]:
    vocabulary = counts.vocabulary
    sequences = Sequences.from_growths([growth], vocabulary)
    joins = sequences.parents >= 0
    prior = counts.log_probabilities(sequences.contexts[joins]).astype(float)
    correction = np.zeros_like(prior)
    if network is not None and len(prior):
        batch = SequenceBatch.from_sequences(sequences, np.arange(1), vocabulary)
        query = network.eval().encode_queries(batch)[batch.joins]
        correction = network.correct(query, query.new_zeros(prior.shape)).double()
        correction = correction.numpy()
    first = counts.log_first
    names = vocabulary.tokens[vocabulary.num_joining :]
    table = [(names, first, np.zeros_like(first))]
    names = vocabulary.tokens[: vocabulary.num_joining]
    table += [(names, *row) for row in zip(prior, correction, strict=True)]
    return [_step(growth, number, *row, top=top) for number, row in enumerate(table)]


def _step(
    growth: Growth,
    number: int,
    names: list[str],
    prior: np.ndarray,
    correction: np.ndarray,
    *,
    top: int,
) -> GrowthStep:
    """prior, correction: of all tokens that may be chosen."""
    logits = prior + correction
    normaliser = float(np.logaddexp.reduce(logits))
    found = logits - normaliser
    own = names.index(growth.tokens[number])
    choices = [
        TokenChoice(names[k], float(prior[k]), float(correction[k]), float(found[k]))
        for k in (own, *np.argsort(-found, kind="stable")[:top].tolist())
    ]
    return GrowthStep(
        number,
        growth.parents[number],
        growth.sites[number],
        choices[0],
        normaliser,
        choices[1:],
        int((found > found[own]).sum()),
        join_tokens(*growth.prefix(number + 1)),
    )
