"""The null models: fragments by their shares alone, and RDKit's BRICS."""

import random

import numpy as np
from rdkit import Chem

from vicinal.molecules.generation.evaluation.null_models import (
    brics_molecules,
    without_context,
)
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences, Vocabulary
from vicinal.molecules.generation.model.counts import FragmentCounts

SMILES = [
    f"{a}c1ccc(C(=O)N{b})cc1"
    for a in ("CO", "CN", "Cl", "CCO", "CC(=O)N")
    for b in ("CC", "Cc2ccccc2", "CCO", "C2CCNCC2")
]


def test_without_context_every_point_has_the_same_probabilities():
    trees = [cut_molecule(Chem.MolFromSmiles(smiles)) for smiles in SMILES]
    vocabulary = Vocabulary.from_molecules(trees, 1)
    growths = [grow_from(tree, 0) for tree in trees]
    sequences = Sequences.from_growths(growths, vocabulary)
    counts = FragmentCounts.from_sequences([sequences], vocabulary)
    unigrams = without_context(counts)
    contexts = np.arange(vocabulary.beginning)
    found = np.exp(unigrams.log_probabilities(contexts))
    np.testing.assert_allclose(
        found, np.tile(counts.shares, (len(found), 1)), rtol=1e-5
    )
    assert counts.nll(sequences) < unigrams.nll(sequences)
    np.testing.assert_array_equal(unigrams.log_first, counts.log_first)


def test_brics_builds_valid_molecules_that_the_seed_determines():
    found = brics_molecules(SMILES, 30, seed=1)
    assert found == brics_molecules(SMILES, 30, seed=1)
    assert found != brics_molecules(SMILES, 30, seed=2)
    assert len(found) == 30
    for smiles in found:
        assert Chem.MolFromSmiles(smiles) is not None and "*" not in smiles


def test_the_random_numbers_of_others_stay_as_they_are():
    random.seed(3)
    before = random.getstate()
    assert brics_molecules(SMILES, 3, 0)
    assert random.getstate() == before
