"""MoleculeGenerator: reading, training, sampling, saving, resuming."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rdkit import Chem
from rdkit.Chem.Descriptors import MolWt  # pyright: ignore[reportAttributeAccessIssue]

from vicinal.core.data.splits import SPLITS
from vicinal.core.estimators.estimator import read_model
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.errors import (
    DataError,
    ModelFileError,
    NoDataError,
    NoteWarning,
    NotFittedError,
    QuarantineWarning,
    SettingError,
)
from vicinal.molecules.generation import selection
from vicinal.molecules.generation.corpus import (
    draw_orders,
    read_corpus,
    split_molecules,
)
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.grammar.growth import grow_from
from vicinal.molecules.generation.model.training import mean_nll

LEFT = ["C", "CC", "CO", "N", "CN", "F", "Cl", "CCO"]
LINKS = ["OC", "C(=O)N", "NC", "S(=O)(=O)N"]
RIGHT = ["c2ccncc2", "c2ccccc2", "C2CCNCC2", "C", "c2cccs2"]
SMILES = [f"{a}c1ccc({b}{c})cc1" for a in LEFT for b in LINKS for c in RIGHT]
OPTIONS: dict[str, Any] = {
    "min_count": 1,
    "orders": 2,
    "hidden": 16,
    "heads": 2,
    "epochs": 8,
    "batch_size": 16,
    "minutes": None,
    "val_fraction": 0.2,
    "test_fraction": 0.2,
}


def options(**changes: Any) -> dict[str, Any]:
    return {**OPTIONS, **changes}


@pytest.fixture(scope="module")
def generator() -> MoleculeGenerator:
    return MoleculeGenerator(**OPTIONS).fit(SMILES)


def restored(path: Path) -> MoleculeGenerator:
    return MoleculeGenerator.restore(path, read_model(path))


def test_each_different_molecule_is_read_once():
    rows = ["C[C@H](N)C(=O)Oc1ccccc1", "C[C@@H](N)C(=O)Oc1ccccc1", "OCC", "CCO"]
    rows += ["CCO.Cl", "not a molecule", "", "CCCCCN.c1ccccc1O", *SMILES[:20]]
    found = read_corpus(rows)
    assert len(found) == 22 and found.num_rows == 28
    assert "CC(N)C(=O)Oc1ccccc1" in found.smiles
    reasons = [row.reason for row in found.quarantined]
    assert len(reasons) == 3 and "mixture" in reasons[2]
    notes = " ".join(found.notes)
    assert "2 of 25 molecules: stereochemistry was dropped" in notes
    assert "3 rows repeat the molecule of another row" in notes


@pytest.mark.parametrize("rows", [[], ["nothing"], ["CCO"] * 30, SMILES[:9]])
def test_too_few_molecules_are_one_message(rows):
    with pytest.raises((NoDataError, DataError)):
        MoleculeGenerator(**OPTIONS).fit(rows)


def test_fragments_that_are_all_rare_are_one_message():
    with pytest.raises(DataError, match="--min-count"):
        MoleculeGenerator(**options(min_count=1_000)).fit(SMILES)


def test_splits_are_disjoint_and_of_the_given_sizes():
    found = split_molecules(100, 0.1, 0.25, seed=3)
    assert [int((found == name).sum()) for name in SPLITS] == [65, 10, 25]
    assert not (split_molecules(100, 0.1, 0.25, seed=4) == found).all()


def test_the_network_makes_held_out_molecules_likelier(generator):
    model, test = generator.model_, generator.sequences_of("test")
    assert model.network is not None and model.comparison.better
    assert model.comparison.groups == len(generator.sequences_of("val"))
    of_network = mean_nll(model.network, model.counts, test)
    assert of_network < mean_nll(None, model.counts, test) - 0.1


def test_a_useless_network_is_not_kept():
    settings = options(lr=1e-9, epochs=1)
    assert MoleculeGenerator(**settings).fit(SMILES).model_.network is None
    kept = MoleculeGenerator(**settings, keep="network").fit(SMILES)
    assert kept.model_.network is not None
    alone = MoleculeGenerator(**OPTIONS, network="none").fit(SMILES)
    assert alone.model_.network is None and alone.model_.comparison is None


def test_held_out_molecules_are_not_counted():
    model = MoleculeGenerator(**OPTIONS, network="none").fit(SMILES).model_
    train = [
        s
        for s, split in zip(model.smiles, model.split, strict=True)
        if split == "train"
    ]
    again = (
        MoleculeGenerator(
            **options(val_fraction=0.0, test_fraction=0.0, network="none")
        )
        .fit(train)
        .model_
    )
    assert model.counts.counts.sum() == pytest.approx(again.counts.counts.sum())
    assert model.vocabulary.fragments == again.vocabulary.fragments
    assert model.training_smiles == set(train) and len(train) < len(model.smiles)


def test_samples_are_valid_new_and_determined_by_the_seed(generator):
    found = generator.sample(200, random_state=5)
    assert found == generator.sample(200, random_state=5)
    assert found != generator.sample(200, random_state=6)
    for smiles in found:
        mol = Chem.MolFromSmiles(smiles)
        assert mol is not None and Chem.MolToSmiles(mol) == smiles
    assert len(set(found) - set(generator.model_.smiles)) > 20


def test_all_forms_of_data_give_the_same_generator(tmp_path):
    path = tmp_path / "molecules.csv"
    frame = pd.DataFrame({"name": range(len(SMILES)), "smiles": SMILES})
    frame.to_csv(path, index=False)
    quick = options(network="none")
    found = [MoleculeGenerator(**quick).fit(X) for X in (SMILES, frame, str(path))]
    assert found[0].sample(20) == found[1].sample(20) == found[2].sample(20)


def test_bad_rows_are_announced():
    with pytest.warns(QuarantineWarning, match="1 row quarantined"):
        found = MoleculeGenerator(**OPTIONS, network="none").fit([*SMILES, "C(C"])
    assert len(found.model_.quarantine) == 1


def test_a_loaded_generator_draws_the_same(generator, tmp_path):
    path = generator.save(tmp_path / "model")
    loaded = restored(path)
    assert loaded.sample(30) == generator.sample(30)
    assert loaded.get_params() == generator.get_params()
    expected, found = generator.model_, loaded.model_
    assert found.vocabulary.tokens == expected.vocabulary.tokens
    assert (found.counts.counts != expected.counts.counts).nnz == 0
    assert found.smiles.tolist() == expected.smiles.tolist()
    assert found.split.tolist() == expected.split.tolist()
    with pytest.raises(NoDataError):
        _ = found.training_sequences
    with pytest.raises(ModelFileError, match="already"):
        generator.save(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t | {"fragments": t["smiles"]},
        lambda t: t | {"counts.tokens": t["counts.tokens"] + 10**6},
        lambda t: t | {"counts.values": -t["counts.values"]},
        lambda t: t | {"counts.starts": t["counts.starts"].flip(0)},
        lambda t: t | {"split": t["split"] + 9},
        lambda t: {k: v for k, v in t.items() if k != "network.token.weight"},
    ],
)
def test_damaged_files_are_refused(generator, damage):
    model = generator.model_
    description, tensors = model.to_files()
    type(model).from_files(description, tensors)
    with pytest.raises(ValueError):
        type(model).from_files(description, damage(tensors))


def test_an_interrupted_training_continues_bit_for_bit(generator, tmp_path):
    steps = iter([False] * 11 + [True])
    interrupted = MoleculeGenerator(**OPTIONS)
    with pytest.raises(TrainingInterrupted):
        for _ in interrupted.fit_epochs(
            SMILES, checkpoint=tmp_path / "c", stop_requested=lambda: next(steps)
        ):
            pass
    resumed = MoleculeGenerator(**OPTIONS)
    for _ in resumed.fit_epochs(SMILES, checkpoint=tmp_path / "c"):
        pass
    networks = [own.model_.network for own in (generator, resumed)]
    assert networks[0] is not None and networks[1] is not None
    expected = networks[0].state_dict()
    for name, weights in networks[1].state_dict().items():
        assert torch.equal(weights, expected[name]), name


def test_wrong_arguments_are_one_message(generator):
    with pytest.raises(NotFittedError):
        MoleculeGenerator().sample(1)
    with pytest.raises(SettingError, match="temperature"):
        generator.sample(1, temperature=0)
    bad: list[dict[str, Any]] = [{"heads": 3}, {"min_count": 0}, {"dropout": 1.0}]
    for wrong in [*bad, {"network": "x"}]:
        with pytest.raises(SettingError, match=next(iter(wrong))):
            MoleculeGenerator(**wrong).fit(SMILES)
    with pytest.raises(SettingError, match="device"):
        MoleculeGenerator(device="cuda").fit(SMILES)


def test_a_molecule_of_unknown_fragments_is_not_trained_on():
    odd = Chem.CanonSmiles("C1CC2CC1CC2OC(=O)CCl")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = options(min_count=2, val_fraction=0.0, test_fraction=0.0)
        model = MoleculeGenerator(**settings, network="none").fit([*SMILES, odd]).model_
    assert odd in model.training_smiles
    assert not any("C1CC2" in name for name in model.vocabulary.fragments)
    num = model.training_sequences.lengths
    assert len(num) == 2 * len(SMILES) and np.all(num > 1)


@pytest.mark.parametrize(
    "core", ["c1ccc(*)cc1", "*c1ccc(C(=O)N*)cc1", "*c1cnc2c(c1)C(*)CC2(*)"]
)
def test_grown_molecules_contain_the_core(generator, core):
    pattern = Chem.MolFromSmarts(core.replace("*", "[!#0]"))
    found = generator.grow(core, 40, random_state=1)
    assert len(found) == 40 and len(set(found)) > 5
    for smiles in found:
        mol = Chem.MolFromSmiles(smiles)
        assert mol.HasSubstructMatch(pattern) and "*" not in smiles
    assert found == generator.grow(core, 40, random_state=1)


def test_conditions_are_met(generator):
    found = generator.sample(
        60, min_weight=150, max_weight=200, unique=True, novel=True
    )
    weights = [MolWt(Chem.MolFromSmiles(k)) for k in found]
    assert min(weights) >= 150 and max(weights) <= 200
    assert len(set(found)) == 60 and not set(found) & set(SMILES)
    assert not set(found) & set(generator.model_.smiles)
    grown = generator.grow("*c1ccncc1", 20, max_weight=250)
    assert all(MolWt(Chem.MolFromSmiles(k)) <= 250 for k in grown)


def test_conditions_that_nothing_meets_end_with_a_message(generator, monkeypatch):
    monkeypatch.setattr(selection, "MAX_FRUITLESS", 500)
    with pytest.raises(DataError, match=r"None of 5\d\d sampled molecules"):
        generator.sample(10, min_weight=5_000)
    with pytest.raises(SettingError, match="min_weight must be at most"):
        generator.sample(10, min_weight=300, max_weight=200)


def test_conditions_that_few_molecules_meet_are_noted(generator, monkeypatch):
    monkeypatch.setattr(selection, "MAX_FRUITLESS", 500)
    with pytest.warns(NoteWarning, match="sampled molecules meet the conditions"):
        found = generator.grow("*c1ccncc1", 40, max_weight=100, unique=True)
    assert 0 < len(found) < 40


def test_a_search_finds_better_molecules(generator):
    target = "similarity:Cc1ccc(S(=O)(=O)Nc2ccncc2)c(F)c1"
    found = {}
    for use_network in (False, True):
        search = {"budget": 250, "random_state": 2, "use_network": use_network}
        search["start"] = SMILES[:20]
        found[use_network] = own = generator.optimise(target, **search)
        assert len(own.smiles) == 250
        assert own.scores[0] > own.scores[own.number < 20].max()
        assert generator.optimise(target, **search).smiles == own.smiles
    assert found[False].smiles != found[True].smiles


def test_a_search_cannot_use_a_network_that_is_not_there():
    counts = MoleculeGenerator(**options(), network="none").fit(SMILES)
    with pytest.raises(SettingError, match="this generator has no network"):
        counts.optimise("qed", budget=20, use_network=True)


def test_variants_of_one_molecule_are_announced(generator):
    chains = ["C" * 20, "C" * 21]  # of equal fingerprints
    with pytest.warns(NoteWarning, match="variants of one another"):
        generator.optimise("logp", budget=2, start=chains)
    different = ["CCO", "c1ccc2ccccc2c1"]
    assert not generator.optimise("logp", budget=2, start=different).collapsed


def test_starting_molecules_are_checked(generator):
    with pytest.raises(DataError, match="'xyz'"):
        generator.optimise("qed", budget=50, start=["CCO", "xyz"])
    with pytest.raises(SettingError, match="start must be a list"):
        generator.optimise("qed", budget=50, start="CCO")
    with pytest.raises(DataError, match="must be connected"):
        generator.optimise("qed", budget=50, start=["[Fe+2].[O-]C(=O)c1ccccc1"])
    with pytest.raises(DataError, match="needs starting molecules"):
        generator.optimise("qed", budget=50, start=[])
    with pytest.warns(NoteWarning, match="1 of 2 starting molecules have more"):
        found = generator.optimise(
            "qed", budget=30, start=["C" * 30, "Cc1ccccc1OC"], max_atoms=20
        )
    assert "C" * 30 not in found.smiles


def test_low_temperatures_prefer_likely_fragments(generator):
    for draw in (generator.sample, lambda n, **more: generator.grow("*C", n, **more)):
        cold, warm = (set(draw(40, temperature=t)) for t in (1e-3, 1.0))
        assert len(cold) < 4 < len(warm)


def test_fragments_of_a_core_are_not_added_again(generator):
    core = Chem.MolFromSmiles("C1CC2(CC2)C1")
    for smiles in generator.grow("*C1CC2(CC2)C1", 60, temperature=1000.0):
        assert len(Chem.MolFromSmiles(smiles).GetSubstructMatches(core)) == 1


@pytest.mark.parametrize("value", [0, -1, 1e-40, np.inf, np.nan, "1", None])
def test_a_temperature_that_is_none_is_one_message(generator, value):
    with pytest.raises(SettingError, match="temperature must be from"):
        generator.sample(2, temperature=value)
    with pytest.raises(SettingError, match="temperature must be from"):
        generator.sampler(value)


@pytest.mark.parametrize("value", ["300", np.nan, -1])
def test_a_weight_that_is_none_is_one_message(generator, value):
    with pytest.raises(SettingError, match="min_weight must be a number, 0 or more"):
        generator.sample(2, min_weight=value)


def test_rare_molecules_are_found(generator):
    heavy = max(MolWt(Chem.MolFromSmiles(k)) for k in generator.sample(600))
    assert generator.sample(1, min_weight=0.98 * heavy, random_state=5)


def test_seeds_may_be_those_of_numpy(generator):
    assert generator.sample(3, random_state=np.int64(4)) == generator.sample(
        3, random_state=4
    )
    generator.optimise("qed", budget=3, random_state=np.int64(4))


def test_resuming_needs_the_same_molecules_and_settings(generator):
    own = generator.fingerprint()
    assert MoleculeGenerator(**options(network="none")).fit(SMILES) is not None
    phosphorus = [text.replace("S(=O)(=O)N", "P(=O)(O)N") for text in SMILES]
    for data, changes in ((phosphorus, {}), (SMILES, {"hidden": 8}), (SMILES, {})):
        other = MoleculeGenerator(**options(network="none", **changes))
        other.fit(data)
        other.settings_ = MoleculeGenerator(**options(**changes)).validate_settings()
        assert (other.fingerprint() == own) == (data is SMILES and not changes)


def test_equal_molecules_grow_in_the_same_order():
    mol = Chem.MolFromSmiles("COc1cc(F)cc(C(N)=O)c1")
    growths = set()
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(mol.GetNumAtoms()).tolist()
        text = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        corpus = read_corpus([text], least=1)
        growths.add(str(grow_from(corpus.trees[0], 0)))
    assert len(growths) == 1


def test_without_validation_molecules_the_counts_are_kept():
    fitted = MoleculeGenerator(**options(val_fraction=0.0, epochs=1)).fit(SMILES)
    assert fitted.model_.network is None
    assert "not kept" in fitted.comparison_text
    settings = options(val_fraction=0.0, epochs=1, keep="network")
    kept = MoleculeGenerator(**settings).fit(SMILES)
    assert kept.model_.network is not None


def test_molecules_of_one_fragment_each_are_one_message():
    with pytest.raises(DataError, match="No training molecule can be cut"):
        MoleculeGenerator(min_count=1).fit(["C" * k for k in range(1, 30)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 21}, "layers must be at most 20"),
        ({"orders": 101}, "orders must be at most 100"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "less than 1 with val_fraction"),
    ],
)
def test_settings_out_of_range_are_one_message(changes, message):
    with pytest.raises(SettingError, match=message):
        MoleculeGenerator(**changes).fit(SMILES)


def test_orders_of_growth_begin_with_different_fragments(generator):
    trees = read_corpus(SMILES).trees[:10]
    vocabulary = generator.model_.vocabulary
    first, second = draw_orders(trees, vocabulary, 2, seed=0)
    begins = [part.tokens[part.starts[:-1]] for part in (first, second)]
    assert (begins[0] != begins[1]).all()


def test_quarantined_rows_are_kept_with_the_estimator():
    with pytest.warns(QuarantineWarning):
        fitted = MoleculeGenerator(**options(network="none")).fit([*SMILES, "xyz"])
    assert [row.name for row in fitted.quarantine_] == ["xyz"]


@pytest.mark.parametrize(
    "objective",
    [
        lambda mols: None,
        lambda mols: 1.0,
        lambda mols: [0.5] * (len(mols) - 1),
        lambda mols: ["high"] * len(mols),
        lambda mols: np.zeros((len(mols), 1, 1)),
        lambda mol: mol.GetNumAtoms() / 2,
    ],
)
def test_an_objective_without_a_score_for_each_is_one_message(generator, objective):
    with pytest.raises(DataError, match="objective must"):
        generator.optimise(objective, budget=150)


def test_molecules_without_a_score_are_left_out(generator):
    def objective(mols):
        sizes = np.array([mol.GetNumAtoms() for mol in mols], float)
        return np.where(sizes % 3 == 0, np.nan, sizes)

    with pytest.warns(NoteWarning, match="without a finite score left out"):
        found = generator.optimise(objective, budget=250)
    assert np.isfinite(found.scores).all() and found.num_unscored > 0
    assert len(found.smiles) + found.num_unscored == 250
    assert (np.diff(found.scores) <= 0).all()
    with pytest.raises(DataError, match="None of 120 molecules has a finite score"):
        generator.optimise(lambda mols: np.full(len(mols), np.nan), budget=120)
    with pytest.raises(SettingError, match="must be a name or a function"):
        generator.optimise(5, budget=120)


@pytest.mark.parametrize(
    "changes",
    [{"exchange": 1.0}, pytest.param({"exchange": 0.0}, marks=pytest.mark.slow)],
)
def test_children_are_exchanged_or_regrown(generator, changes):
    found = generator.optimise("qed", budget=200, edit=0.0, **changes)
    assert len(found.smiles) == 200


def test_the_progress_of_a_search_is_reported(generator):
    seen: list[tuple[int, int]] = []
    generator.optimise("qed", budget=160, report_progress=lambda *k: seen.append(k))
    done = [each[0] for each in seen]
    assert done == sorted(done) and seen[-1] == (160, 160) and len(seen) > 1
