"""Histories of molecules, against the likelihoods of the model."""

import math

import numpy as np
import pytest
from rdkit import Chem

from vicinal.molecules.generation.corpus import read_corpus
from vicinal.molecules.generation.evaluation.likelihood import (
    COUNTS,
    UNIGRAM,
    evaluate_likelihood,
)
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.grammar.fragments import cut_molecule
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.grammar.vocabulary import Sequences
from vicinal.molecules.generation.history import trace_growth
from vicinal.molecules.generation.model.training import molecule_nll

SMILES = [
    f"{a}c1ccc({b}{c})cc1"
    for a in ("C", "CC", "CO", "N", "F", "Cl")
    for b in ("OC", "C(=O)N", "NC")
    for c in ("c2ccncc2", "c2ccccc2", "C2CCNCC2", "C")
]


@pytest.fixture(scope="module")
def generator() -> MoleculeGenerator:
    return MoleculeGenerator(
        min_count=1,
        orders=2,
        hidden=16,
        heads=2,
        epochs=4,
        batch_size=16,
        keep="network",
        minutes=None,
        test_fraction=0.3,
    ).fit(SMILES)


@pytest.mark.parametrize("smiles", [SMILES[0], SMILES[17], "Cc1ccccc1"])
def test_the_steps_add_up_to_the_likelihood(generator, smiles):
    model = generator.model_
    mol = Chem.MolFromSmiles(smiles)
    found = trace_growth(model, mol, top=3)
    tree = cut_molecule(mol)
    if not found.unknown:
        sequences = Sequences.from_growths([grow_from(tree, 0)], model.vocabulary)
        for network, nll in ((model.network, found.nll), (None, found.nll_counts)):
            expected = molecule_nll(network, model.counts, sequences)
            assert nll == pytest.approx(float(expected[0]), abs=1e-4)
    assert found.max_error < 1e-9
    assert Chem.CanonSmiles(found.steps[-1].partial) == Chem.CanonSmiles(smiles)
    assert [step.number for step in found.steps] == [*range(len(tree.fragments))]


def test_a_history_without_a_network_has_no_corrections():
    counted = MoleculeGenerator(min_count=1, network="none").fit(SMILES)
    found = trace_growth(counted.model_, Chem.MolFromSmiles(SMILES[3]))
    assert found.nll == pytest.approx(found.nll_counts, abs=1e-5)
    assert {step.chosen.correction for step in found.steps} == {0.0}


def test_alternatives_are_the_most_probable_tokens(generator):
    found = trace_growth(generator.model_, Chem.MolFromSmiles(SMILES[5]), top=4)
    for step in found.steps:
        best = [each.log_probability for each in step.alternatives]
        assert best == sorted(best, reverse=True) and len(best) == 4
        above = [value for value in best if value > step.chosen.log_probability]
        assert len(above) == min(step.rank, 4)
    whole = trace_growth(generator.model_, Chem.MolFromSmiles(SMILES[5]), top=10**6)
    for step in whole.steps:
        shares = [math.exp(each.log_probability) for each in step.alternatives]
        assert sum(shares) == pytest.approx(1)


def test_unknown_fragments_are_named(generator):
    found = trace_growth(generator.model_, Chem.MolFromSmiles("c1ccccc1C1CCCCCC1"))
    assert found.unknown == ["*C1CCCCCC1"]
    assert found.nll > 20


def test_held_out_molecules_are_scored_beside_the_counts(generator):
    model = generator.model_
    found = generator.evaluate()
    assert set(found.baselines) == {COUNTS, UNIGRAM}
    assert found.score.value == pytest.approx(found.predictions["nll"].mean())
    for name, column in ((COUNTS, "nll_counts"), (UNIGRAM, "nll_without_context")):
        theirs = found.predictions[column]
        assert found.baselines[name].value == pytest.approx(theirs.mean())
        wins = int((theirs > found.predictions["nll"]).sum())
        assert found.comparisons[name].wins == wins
    per_fragment = found.predictions["nll"].sum() / found.predictions["fragments"].sum()
    assert found.scores[0].value == pytest.approx(per_fragment)
    others = [*SMILES[:4], "c1ccccc1C1CCCCCC1"]
    corpus = read_corpus(others, least=1)
    found = evaluate_likelihood(model, corpus.smiles, seed=0)
    assert found.score.n == 4 and "1 of 5 molecules" in found.notes[0]
    np.testing.assert_array_equal(found.predictions["smiles"], corpus.smiles[:4])
