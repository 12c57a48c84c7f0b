"""Inspect a pair of drugs: each score, to the terms that it is the sum of."""

import numpy as np

from vicinal.core.report.finding import Finding
from vicinal.interactions.explain.explanation import effect_row, most_probable
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.models.scores import COLUMNS
from vicinal.interactions.prediction.set_predictions import predict_sets

MAX_TERMS = 12
"""terms of a sum that are shown"""


def inspect_pair(
    model: FittedInteractions, pair: tuple[int, int], effect: str | None
) -> Finding:
    """Show the scores of one effect of a pair, and the terms of two of them.

    effect: None: the most probable one that is not known.
    """
    prediction = predict_sets(model, [pair])[0]
    row = most_probable(prediction) if effect is None else effect_row(model, effect)
    key = model.key_of(np.array([pair]))
    if key is not None:
        model.scores.represent_new_drugs(model.features, key[1])
    x = model.scores.columns(np.array([pair]))[:, 0, row].astype(float)
    first, second = (str(model.drugs[drug]) for drug in pair)
    lines = [f"{first} + {second}: {model.effects[row]}", "", "scores:"]
    lines += [
        f"  {name:<38} {value:10.4f}" for name, value in zip(COLUMNS, x, strict=True)
    ]
    similar, total = _similar_terms(model, pair, row)
    lines += [
        "",
        "similar drugs: the sum of weights of drugs that have the effect with the "
        "other drug,",
        f"{total:.4f}, divided by its spread {_spread(model, row):.4f}:",
        *(f"  {text:<60} {value:+.4f}" for text, value in similar[:MAX_TERMS]),
    ]
    others, rest = similar[MAX_TERMS:], 0.0
    if others:
        rest = sum(value for _, value in others)
        lines.append(f"  {f'{len(others):,} more':<60} {rest:+.4f}")
    by_effect = _effect_terms(model, pair, row)
    if by_effect:
        total_effects = sum(value for _, value in by_effect)
        lines += [
            "",
            "regression on other effects: the sum of weights of the pair's other "
            f"effects, {total_effects:.4f}:",
            *(f"  {text:<60} {value:+.4f}" for text, value in by_effect[:MAX_TERMS]),
        ]
        others = by_effect[MAX_TERMS:]
        if others:
            rest = sum(value for _, value in others)
            lines.append(f"  {f'{len(others):,} more':<60} {rest:+.4f}")
    data = {
        "drugs": [first, second],
        "effect": str(model.effects[row]),
        "probability": float(prediction.probabilities[row]),
        "scores": dict(zip(COLUMNS, x.tolist(), strict=True)),
        "similar_drugs": [{"drug": text, "term": value} for text, value in similar],
        "other_effects": [{"effect": text, "term": value} for text, value in by_effect],
    }
    return Finding(text=lines, data=data)


def _spread(model: FittedInteractions, effect: int) -> float:
    spread = model.scores.spread
    return 1.0 if spread is None else float(spread[0, effect])


def _similar_terms(
    model: FittedInteractions, pair: tuple[int, int], effect: int
) -> tuple[list[tuple[str, float]], float]:
    """Return the terms of the score of similar drugs, and their sum."""
    found = []
    for side, drug, weight in model.scores.drugs.neighbour_terms(pair, effect):
        like, partner = model.drugs[pair[side]], model.drugs[pair[1 - side]]
        found.append((f"{model.drugs[drug]} (like {like}) with {partner}", weight))
    return found, sum(value for _, value in found)


def _effect_terms(
    model: FittedInteractions, pair: tuple[int, int], effect: int
) -> list[tuple[str, float]]:
    """Return the terms of the regression on the other effects of a pair."""
    scores = model.scores
    known = scores.pair_effects.known_effects(np.array([pair])).indices
    weights = scores.effects.weights[known, effect]
    order = np.argsort(-np.abs(weights), kind="stable")
    return [
        (str(model.effects[known[k]]), float(weights[k])) for k in order if weights[k]
    ]
