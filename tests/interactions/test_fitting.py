"""The cells that combinations are fitted to."""

import numpy as np

from vicinal.interactions.data.interaction_table import drug_features
from vicinal.interactions.evaluation.splits import DRUG_FOLDS, split_by_drug
from vicinal.interactions.fitting import TEMPERATURE_FOLDS, validation_scores
from vicinal.interactions.models.scores import PairScores
from vicinal.interactions.pair_effects import PairEffects


def test_folds_of_drugs_share_the_facts_and_form_few_folds(pharmacology):
    known = PairEffects.from_edges(
        pharmacology.pairs,
        pharmacology.pair_effects,
        len(pharmacology.drugs),
        int(pharmacology.pair_effects.max()) + 1,
    )
    features, most = drug_features(pharmacology), 16
    split = split_by_drug(known, 0.1, 0)
    assert len(split.validation) == DRUG_FOLDS
    scores = PairScores.fit(split.train)
    found = validation_scores(split, scores, features, [(*features.names,)], 0, most)
    for (key, _), values in found.items():
        assert np.unique(values.folds).tolist() == [*range(TEMPERATURE_FOLDS)]
        assert len(values.x) == len(values.truth) == len(values.folds)
        facts = values.truth.sum()
        limit = most if key[0] == "one new drug" else 4 * most
        assert 0 < facts <= limit * known.num_effects
        assert facts > limit * known.num_effects / 4
