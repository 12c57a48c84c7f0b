"""Add drugs to a fitted model that were not in its table."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix, vstack
from torch.nn.functional import pad

from vicinal.interactions.data.features import DrugFeatures
from vicinal.interactions.models.closed_form import (
    DrugRegression,
    EffectRegression,
    ProfileRegression,
)
from vicinal.interactions.models.scores import PairScores
from vicinal.interactions.pair_effects import PairEffects


def extend_features(features: DrugFeatures, structure: csr_matrix) -> DrugFeatures:
    """Return the features with those of further drugs, of which only this is known."""
    (count, _), changed = structure.get_shape(), {}
    for name in features.names:
        own = features.kind(name)
        more = structure
        if name != "structure":
            more = csr_matrix((count, own.shape[1]), dtype=np.float32)
        changed[name] = csr_matrix(vstack([own, more]))
    return replace(features, num_drugs=features.num_drugs + count, **changed)


def extend_scores(scores: PairScores, count: int) -> PairScores:
    """Return the models with `count` further drugs, which have no pairs."""
    known = scores.pair_effects
    pairs = known.pairs
    total = known.num_drugs + count
    codes = pairs[:, 0] * total + pairs[:, 1]  # in the same order
    larger = PairEffects(total, known.num_effects, codes, known.table, known.ordered)
    first, second = (pad(own, (0, count, 0, count)) for own in scores.drugs.weights)
    second = second if known.ordered else first
    drugs = DrugRegression(larger, (first.clone(), second.clone()))
    if not known.ordered:
        drugs.weights = drugs.weights[0], drugs.weights[0]
    profiles = ProfileRegression(drugs, scores.profiles.weights)
    effects = EffectRegression(larger, scores.effects.weights)
    return PairScores(effects, drugs, profiles, scores.spread)
