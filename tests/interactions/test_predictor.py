"""InteractionPredictor on a generated pharmacology, whose rules are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

import vicinal
from vicinal.errors import DataError, SettingError
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.demo import make_pharmacology
from vicinal.interactions.evaluation.splits import SITUATIONS
from vicinal.interactions.explain.explanation import explain_set, shapley_values
from vicinal.interactions.predictor import InteractionPredictor

SETS = 1000


def mean_auroc(model: InteractionPredictor, situation: str, name: str) -> float:
    found = [
        result.scores[name][:, 0]
        for result in model.model_.results
        if (result.situation, result.negatives) == (situation, "interacting")
    ]
    return float(np.nanmean(found))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_each_situation_is_learned(predictor, situation):
    assert mean_auroc(predictor, situation, "combination") > 0.97


def test_the_baselines_stand_beside_it(predictor):
    known, new = SITUATIONS[:2]
    ours = mean_auroc(predictor, known, "combination")
    # in these data effects are independent of each other
    assert abs(mean_auroc(predictor, known, "other effects of the pair") - 0.5) < 0.03
    assert ours > mean_auroc(predictor, known, "popularity of both drugs") + 0.02
    popular = mean_auroc(predictor, "one new drug", "popularity of the known drug")
    assert mean_auroc(predictor, "one new drug", "combination") > popular + 0.1
    evaluation = predictor.evaluate()
    assert evaluation.beats_baselines and new in evaluation.notes[0]


def test_probabilities_are_calibrated(predictor):
    """Of pairs without a reported effect, as many have it as the probabilities say."""
    complete = make_pharmacology(reported=1.0)
    truth = {
        (*pair, effect)
        for pair, effect in zip(
            map(tuple, complete.pairs.tolist()), complete.pair_effects, strict=True
        )
    }
    model = predictor.model_
    pairs = np.stack(np.triu_indices(120, 1), axis=1)
    found = model.predict_pairs(pairs)
    unknown = found.known.toarray() == 0
    p = found.probabilities[unknown]
    rows, effects = np.nonzero(unknown)
    cells = zip(map(tuple, pairs[rows].tolist()), effects, strict=True)
    has = np.array([(*pair, effect) in truth for pair, effect in cells])
    assert has.mean() == pytest.approx(0.026, abs=0.01)
    likely = p > 0.5
    assert has[likely].mean() > 10 * has.mean()


def test_sets_do_not_depend_on_the_order_and_grow(predictor):
    rng = np.random.default_rng(0)
    drugs = predictor.drugs_
    sets = [
        drugs[rng.choice(120, rng.integers(3, 7), replace=False)] for _ in range(SETS)
    ]
    shuffled = [rng.permutation(names) for names in sets]
    p = predictor.predict_proba(sets)
    np.testing.assert_array_equal(p, predictor.predict_proba(shuffled))
    # in one call, so that each pair is computed once: exactly
    both = predictor.predict_proba([*sets, *(names[:-1] for names in sets)])
    assert (both[:SETS] >= both[SETS:]).all() and (both <= 1).all()
    np.testing.assert_allclose(both[:SETS], p, atol=1e-5)


def test_parts_add_up_to_the_whole(predictor):
    for found in predictor.predict_sets([predictor.drugs_[:4], predictor.drugs_[5:12]]):
        for effect in range(40):
            total = sum(share for _, share in found.contributions(effect))
            assert total == pytest.approx(found.probabilities[effect], abs=1e-9)


def test_known_effects_are_certain_and_named(predictor, pharmacology):
    pair, effect = pharmacology.pairs[0], pharmacology.pair_effects[0]
    names = pharmacology.drugs[pair]
    frame = predictor.predict([names], top=None)
    row = frame[frame["predicted"] == pharmacology.effects[effect]].iloc[0]
    assert row["probability"] == 1 and row["evidence"] == "known" and row["known"]
    assert len(frame) == 40
    unknown = frame[~frame["known"]]
    assert (unknown["probability"] < 1).all() and (
        unknown["evidence"] == "predicted"
    ).all()


def test_an_explanation_is_the_sum_of_its_terms(predictor):
    model, sets = predictor.resolve([predictor.drugs_[:3]])
    found = explain_set(model, sets[0])
    assert not found.prediction.known[:, found.effect].any()
    for pair in found.pairs:
        odds = np.log(pair.probability) - np.log1p(-pair.probability)
        assert pair.logit == pytest.approx(odds, abs=1e-4)
        similar = sum(each.weight for each in pair.similar)
        column = next(term for term in pair.terms if term.name == "similar drugs")
        names = {str(name): row for row, name in enumerate(model.drugs)}
        numbers = np.array([[names[name] for name in pair.pair]])
        expected = model.scores.drugs.score_all(numbers)[0, found.effect]
        assert similar == pytest.approx(float(expected), abs=1e-5)
        spread = model.scores.spread[0, found.effect]
        assert column.value == pytest.approx(similar / spread, abs=1e-4)


def test_shapley_values_of_a_linear_combination_are_its_terms(predictor):
    """w_k (x_k - mean_k) / scale_k, and all values add up to the logit."""
    combinations = predictor.combinations_.values()
    linear = next(c for c in combinations if not c.config.hidden)
    x = np.random.default_rng(0).normal(size=9).astype(np.float32)
    base, values = shapley_values(linear, x)
    weights = linear.first_weights[0]
    expected = weights * (x - linear.mean.numpy()) / linear.scale.numpy()
    np.testing.assert_allclose(values, expected, atol=1e-4)
    deep = next(c for c in predictor.combinations_.values() if c.config.hidden)
    base, values = shapley_values(deep, x)
    assert base + values.sum() == pytest.approx(float(deep.logits(x)), abs=1e-4)


def test_a_loaded_model_predicts_and_evaluates_the_same(predictor, tmp_path):
    sets = [predictor.drugs_[:5], predictor.drugs_[7:9]]
    loaded = vicinal.load(predictor.save(tmp_path / "model"))
    np.testing.assert_array_equal(
        loaded.predict_proba(sets), predictor.predict_proba(sets)
    )
    one, other = (m.evaluate().to_dict() for m in (loaded, predictor))
    assert json.dumps(one) == json.dumps(other)


def test_drugs_are_found_by_name_or_suggested(predictor):
    p = predictor.predict_proba([["DRUG-001", " drug-002 "]])
    np.testing.assert_array_equal(
        p, predictor.predict_proba([["drug-001", "drug-002"]])
    )
    with pytest.raises(DataError, match="Did you mean 'drug-001'"):
        predictor.predict([["drug-0001", "drug-002"]])
    with pytest.raises(DataError, match="2 to 30 different drugs"):
        predictor.predict([["drug-001", "drug-001"]])
    with pytest.raises(DataError, match="2 to 30 different drugs"):
        predictor.predict([predictor.drugs_[:31]])
    with pytest.raises(SettingError, match="list of sets"):
        predictor.predict(["drug-001", "drug-002"])
    with pytest.raises(DataError, match="no set"):
        predictor.predict([])
    assert predictor.predict_proba([predictor.drugs_[:30]]).shape == (1, 40)


def test_nothing_supports_a_drug_of_which_nothing_is_known(predictor):
    """These data have targets only, and of a SMILES only the structure is known."""
    found = predictor.predict_sets([["CCO", "drug-001"]])[0]
    assert np.isnan(found.probabilities).all() and found.unsupported
    mixed = predictor.predict_sets([["CCO", "drug-001", "drug-002"]])[0]
    alone = predictor.predict_sets([["drug-001", "drug-002"]])[0]
    np.testing.assert_array_equal(mixed.probabilities, alone.probabilities)


def test_too_few_facts_are_an_error(pharmacology):
    with pytest.raises(DataError, match="No effect has 9999 pairs"):
        InteractionPredictor(min_pairs=9999).fit(pharmacology)
    few = keep(pharmacology, 8)
    with pytest.raises(DataError, match="too few to learn from"):
        InteractionPredictor(min_pairs=1).fit(few)


def keep(table: InteractionTable, count: int) -> InteractionTable:
    return replace(
        table, pairs=table.pairs[:count], pair_effects=table.pair_effects[:count]
    )


@pytest.mark.usefixtures("short_training")
def test_few_effects_are_compared_fact_by_fact(pharmacology):
    chosen = pharmacology.pair_effects < 3
    few = replace(
        pharmacology,
        pairs=pharmacology.pairs[chosen],
        pair_effects=pharmacology.pair_effects[chosen],
        effects=pharmacology.effects[:3],
    )
    found = InteractionPredictor().fit(few).evaluate()
    assert found.score.n == 3 and np.isnan(found.score.low)
    assert sum(test.wins + test.losses for test in found.comparisons.values()) > 10


def test_pairs_that_all_have_the_effect_are_an_error(pharmacology):
    pairs = np.stack(np.triu_indices(120, 1), axis=1).astype(np.int32)
    every = replace(
        pharmacology, pairs=pairs, pair_effects=np.zeros(len(pairs), np.int32)
    )
    with pytest.raises(DataError, match="nothing to distinguish"):
        InteractionPredictor().fit(every)
