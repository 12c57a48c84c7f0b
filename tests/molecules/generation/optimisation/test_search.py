"""The search: it finds what is asked for, within its budget."""

from typing import Any

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import QED

from vicinal.errors import DataError, SettingError
from vicinal.molecules.generation.evaluation.metrics import scaffold_of
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.optimisation.objectives import (
    lower_bound,
    named_objective,
    read_objective,
)
from vicinal.molecules.generation.optimisation.search import Search, SearchSettings

LEFT = ["C", "CC", "CO", "N", "CN", "F", "Cl", "CCO"]
LINKS = ["OC", "C(=O)N", "NC", "S(=O)(=O)N"]
RIGHT = ["c2ccncc2", "c2ccccc2", "C2CCNCC2", "C", "c2cccs2"]
SMILES = [f"{a}c1ccc({b}{c})cc1" for a in LEFT for b in LINKS for c in RIGHT]
TARGET = "FC(F)(F)c1ccc(S(=O)(=O)Nc2ccncc2)cc1"


@pytest.fixture(scope="module")
def generator() -> MoleculeGenerator:
    settings = {"min_count": 1, "network": "none", "minutes": None}
    return MoleculeGenerator(**settings).fit(SMILES)


def search(generator, name: str, seed: int = 0, **settings) -> Search:
    counts, objective = generator.model_.counts, named_objective(name)
    return Search(counts, None, objective, SearchSettings(**settings), seed)


def test_scores_rise_and_the_budget_is_kept(generator):
    calls: list[int] = []
    own = search(generator, f"similarity:{TARGET}", budget=500)
    objective = own.objective

    def counted(mols):
        calls.append(len(mols))
        return objective(mols)

    own.objective = counted
    found = own.run(SMILES[:40])
    assert sum(calls) == len(found.smiles) == len(set(found.smiles)) == 500
    assert (
        found.scores[0] > objective([Chem.MolFromSmiles(k) for k in SMILES[:40]]).max()
    )
    assert (np.diff(found.scores) <= 0).all()
    assert sorted(found.number) == list(range(500))
    recomputed = objective([Chem.MolFromSmiles(k) for k in found.smiles])
    np.testing.assert_allclose(found.scores, recomputed)


def test_the_seed_determines_the_search(generator):
    first, again, other = (
        search(generator, "qed", seed, budget=80).run(SMILES[:20]).smiles
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_molecules_are_not_larger_than_allowed(generator):
    found = search(generator, "logp", budget=120, max_atoms=20).run(SMILES[:40])
    sizes = [Chem.MolFromSmiles(k).GetNumHeavyAtoms() for k in found.smiles]
    assert max(sizes) <= 20


def test_a_search_that_finds_nothing_new_ends(generator):
    own = search(generator, "qed", budget=10_000, max_atoms=1, edit=1.0, exchange=0.0)
    found = own.run(["C", "N"])
    assert 2 <= len(found.smiles) < 20


def test_the_surrogate_chooses_better_children_and_the_others_wait(generator):
    """With the true scores at hand, those that it predicts to be best are better."""
    own = search(generator, f"similarity:{TARGET}", budget=200, candidates=5)
    own.run(SMILES[:60])
    own.settings = SearchSettings(offspring=10, candidates=5)
    own._waiting = {}
    children = own._children()
    chosen = own._choose(children)
    assert len(chosen) == 10 < len(children)
    scores = {k: own.objective([mol])[0] for k, mol in children.items()}
    rest = [k for k in children if k not in chosen]
    means = [np.mean([scores[k] for k in names]) for names in (chosen, rest)]
    assert means[0] > means[1] + 0.05
    assert set(own._waiting) == set(rest)
    assert not own._new_molecules(map(Chem.MolFromSmiles, rest))  # they are known
    next_ones = own._choose({})
    assert len(next_ones) == 10 and set(next_ones) < set(rest)
    last = [scores[k] for k in rest if k not in next_ones]
    assert np.mean([scores[k] for k in next_ones]) > np.mean(last)
    assert set(own._waiting) == set(rest) - set(next_ones)
    own.settings = SearchSettings(offspring=10, candidates=1)
    own._waiting = {}
    assert [*own._choose(children)] == [*children][:10]
    assert [*own._waiting] == [*children][10:]


def test_few_molecules_without_a_score_are_chosen(generator):
    qed = named_objective("qed")

    def without_sulfur(mols):
        """QED; no score for a molecule with sulfur."""
        sulfur = [any(atom.GetSymbol() == "S" for atom in k.GetAtoms()) for k in mols]
        return np.where(sulfur, np.nan, qed(mols))

    unscored = []
    for candidates in (1.0, 3.0):
        own = search(generator, "qed", budget=400, candidates=candidates)
        own.objective = without_sulfur
        found = own.run(SMILES[:40])
        assert not any("s" in smiles.lower() for smiles in found.smiles)
        assert found.num_unscored + len(found.smiles) == 400
        unscored.append(found.num_unscored)
    assert unscored[1] < 0.75 * unscored[0]


def test_a_search_without_any_score_uses_its_budget_and_says_so(generator):
    own = search(generator, "qed", budget=200)
    own.objective = lambda mols: np.array(
        [0.0 if "Br" in Chem.MolToSmiles(mol) else np.inf for mol in mols]
    )
    with pytest.raises(DataError, match="None of 200 molecules has a finite score"):
        own.run(SMILES[:40])


def test_the_generator_learns_only_if_asked(generator):
    start = [*SMILES[:20], "c1cc(-c2ccoc2)ccc1C"]
    known = generator.model_.counts

    def total(counts) -> float:
        """Return the counts in the contexts of the generator's own tokens."""
        vocabulary = counts.vocabulary
        tokens = [vocabulary.numbers[token] for token in known.vocabulary.tokens]
        contexts = np.unique(vocabulary.contexts[tokens])
        return counts.totals[counts.rows[contexts[contexts >= 0]]].sum()

    for learn in (True, False):
        own = search(generator, "qed", budget=40, learn=learn)
        own.run(start)
        assert "*c1ccoc1" in own.model.counts.vocabulary.fragments
        assert (total(own.model.counts) > total(known) + 1) == learn
    assert "*c1ccoc1" not in known.vocabulary.fragments


def test_few_molecules_of_the_population_share_a_scaffold(generator):
    own = search(generator, f"similarity:{TARGET}", budget=200, per_scaffold=3)
    own.run(SMILES[:40])
    scaffolds = [scaffold_of(Chem.MolFromSmiles(k)) for k in own.population]
    assert max(scaffolds.count(k) for k in scaffolds) == 3
    best = max(own.scores, key=lambda k: own.scores[k][0])
    assert own.population[0] == best


@pytest.mark.slow
def test_several_objectives_give_a_front(generator):
    both = read_objective(["qed", f"similarity:{TARGET}"])
    own = search(generator, "qed", budget=500)
    own.objective = both
    found = own.run(SMILES[:40])
    assert found.scores.shape == (500, 2)
    recomputed = both([Chem.MolFromSmiles(k) for k in found.smiles])
    np.testing.assert_allclose(found.scores, recomputed)
    expected = [
        smiles
        for smiles, row in zip(found.smiles, found.scores, strict=True)
        if not ((found.scores >= row).all(1) & (found.scores > row).any(1)).any()
    ]
    assert sorted(found.front) == sorted(expected)
    assert found.front == found.smiles[: len(found.front)]
    start = found.scores[found.number < 40]
    assert (found.scores.max(axis=0) > start.max(axis=0)).all()


def test_the_front_of_one_objective_is_the_best(generator):
    found = search(generator, "qed", budget=60).run(SMILES[:40])
    assert found.front[0] == found.smiles[0]
    assert (found.scores[: len(found.front)] == found.scores.max()).all()


def test_objectives_are_what_they_are_called():
    mols = [Chem.MolFromSmiles(k) for k in (TARGET, "CCO")]
    assert named_objective(f"similarity:{TARGET}")(mols)[0] == 1
    assert named_objective("qed")(mols)[1] == pytest.approx(QED.qed(mols[1]))
    assert read_objective(["qed", lambda mols: np.zeros(len(mols))])(mols).shape == (
        2,
        2,
    )
    with pytest.raises(SettingError, match="Got none"):
        read_objective([])
    for name in ("qde", "similarity:xyz", "similarity:"):
        with pytest.raises(SettingError):
            named_objective(name)


def test_a_model_is_maximised_by_its_lower_bound():
    class Model:
        def predict_interval(self, smiles):
            values = np.array([float(len(k)) for k in smiles])
            return values - 10 * np.array(["N" in k for k in smiles]), values + 1

    mols = [Chem.MolFromSmiles(k) for k in ("CCCC", "CCCCN")]
    assert lower_bound(Model())(mols).tolist() == [4.0, -5.0]
    assert lower_bound(Model(), minimise=True)(mols).tolist() == [-5.0, -6.0]


def test_wrong_arguments_are_one_message(generator):
    with pytest.raises(DataError, match="needs starting molecules"):
        search(generator, "qed").run(["not a molecule"])
    bad: list[dict[str, Any]] = [
        *({"budget": 0}, {"edit": 0.8}, {"exchange": 2.0}, {"candidates": 0}),
        *({"per_scaffold": 0}, {"learn": 1}, {"offspring": 1.5}),
    ]
    for wrong in bad:
        with pytest.raises(SettingError, match=next(iter(wrong))):
            SearchSettings(**wrong)
