"""Explain the prediction for one entity: groups of features, relations, sharers."""

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from vicinal.knowledge.importance.features.graph_features import (
    DEGREE_NAMES,
    FeatureRows,
    GraphFeatures,
)
from vicinal.knowledge.importance.features.shared_labels import NAMES as LABEL_NAMES
from vicinal.knowledge.importance.features.shared_labels import SHRINKAGE
from vicinal.knowledge.importance.fitted_model import FittedImportance
from vicinal.knowledge.importance.models.ridge import Ridge
from vicinal.knowledge.importance.models.stacked import StackedModel

GROUPS = (
    "relations",
    "degree",
    "degree of neighbours",
    "position",
    "labels of sharers",
)
BACKGROUND = 30
"""labelled entities whose features stand for typical ones"""

MAX_SHOWN = 8


class SharingEntity(NamedTuple):
    """A labelled entity that shares facts with the explained one."""

    entity: int
    label: float
    """minus the mean label, on the scale that is predicted"""

    facts: list[int]
    """numbers of the facts that both have"""

    contribution: float
    """to the ridge's prediction"""


@dataclass(frozen=True)
class ImportanceExplanation:
    """The prediction of the blend for one entity, on the scale that is predicted."""

    prediction: float
    base: float
    """mean prediction for typical entities"""

    groups: dict[str, float]
    """Shapley values of groups of features; with `base` they add up to `prediction`"""

    ridge: float
    """prediction of the ridge"""

    ridge_bias: float
    """of an entity with the mean features and without facts"""

    ridge_terms: dict[str, float]
    """what degree, position and labels of others add to it"""

    relation_terms: dict[int, float]
    """what each directed relation adds: its count and its facts; with `ridge_bias` and
    `ridge_terms` they add up to `ridge`"""

    sharers: list[SharingEntity]
    """those that move the prediction most first"""


def explain_rows(
    model: FittedImportance, rows: FeatureRows, entity: int | None
) -> ImportanceExplanation:
    """Explain the blend's prediction for the features of one entity (M = 1).

    entity: its number in the graph, whose own label is left out; None: it is new.
    """
    own = None if entity is None else np.array([entity])
    stack, features = model.stack, model.features
    dense = stack.dense(rows, own)
    terms, relations = ridge_contributions(features, stack.ridge, dense, rows)
    base, groups = shapley_groups(model, rows, dense)
    found = stack.predict(features, rows, own)
    return ImportanceExplanation(
        float(found.blend[0]),
        base,
        groups,
        float(found.ridge[0]),
        stack.ridge.bias,
        terms,
        relations,
        sharing_entities(model, rows, entity),
    )


def column_groups(features: GraphFeatures) -> dict[str, slice]:
    """Return the dense columns of each of `GROUPS`."""
    own = features.groups
    end = own["position"].stop
    labels = slice(end, end + len(LABEL_NAMES))
    return dict(
        zip(
            GROUPS,
            (
                own["relations"],
                own["degree"],
                own["neighbours"],
                own["position"],
                labels,
            ),
            strict=True,
        )
    )


def ridge_contributions(
    features: GraphFeatures, ridge: Ridge, dense: np.ndarray, rows: FeatureRows
) -> tuple[dict[str, float], dict[int, float]]:
    """Return the terms of the ridge by group, and those of relations by relation.

    dense: [1, D]. A relation has the term of its count and those of its facts.
    """
    terms = ridge.terms(dense)[0]
    columns = column_groups(features)
    groups = {name: float(terms[columns[name]].sum()) for name in GROUPS[1:]}
    by_relation = np.zeros(features.graph.num_directed)
    by_relation[features.relations] = terms[columns["relations"]]
    facts = rows.facts[0]
    of_fact = features.graph.fact_ends[features.shared[facts.indices], 0]
    np.add.at(by_relation, of_fact, facts.data * ridge.fact_weights[facts.indices])
    used = np.flatnonzero(by_relation)
    order = used[np.argsort(-np.abs(by_relation[used]), kind="stable")]
    return groups, {int(k): float(by_relation[k]) for k in order}


def shapley_groups(
    model: FittedImportance, rows: FeatureRows, dense: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return the mean prediction for typical entities, and each group's Shapley value.

    The value of a set of groups is the mean prediction of the blend where these groups
    are those of the entity and the others those of a typical one (L. Shapley 1953; S.
    Lundberg and S.-I. Lee, NeurIPS 2017). The facts belong to the relations. All 2^5
    sets are computed, so the values add up.
    """
    stack, features = model.stack, model.features
    typical = background(model)
    others = stack.dense(features.rows.take(typical), typical)
    own_facts = float((rows.facts @ stack.ridge.fact_weights)[0])
    facts = features.rows.facts[typical] @ stack.ridge.fact_weights
    columns = column_groups(features)

    def value(groups: tuple[str, ...]) -> float:
        mixed = others.copy()
        for name in groups:
            mixed[:, columns[name]] = dense[0, columns[name]]
        of_facts = own_facts if GROUPS[0] in groups else facts
        return blend_mean(stack, features, mixed, of_facts)

    sets = [s for k in range(len(GROUPS) + 1) for s in combinations(GROUPS, k)]
    values: dict[frozenset[str], float] = {frozenset(s): value(s) for s in sets}
    size, found = len(GROUPS), {}
    for name in GROUPS:
        total = 0.0
        for chosen, without in values.items():
            if name in chosen:
                continue
            k = len(chosen)
            share = factorial(k) * factorial(size - 1 - k) / factorial(size)
            total += share * (values[chosen | {name}] - without)
        found[name] = total
    return values[frozenset()], found


def blend_mean(
    stack: StackedModel, features: GraphFeatures, dense: np.ndarray, facts: Any
) -> float:
    """Return the mean prediction for dense features [M, D] and terms of facts [M]."""
    ridge = stack.ridge.terms(dense).sum(axis=1) + facts + stack.ridge.bias
    return float(stack.predict_dense(features, dense, ridge).blend.mean())


def background(model: FittedImportance) -> np.ndarray:
    """Return labelled entities that stand for typical ones: quantiles of the labels."""
    order = np.argsort(model.validation.labels, kind="stable")
    places = np.linspace(0, len(order) - 1, min(BACKGROUND, len(order))).astype(int)
    return model.validation.entities[order[places]]


def sharing_entities(
    model: FittedImportance, rows: FeatureRows, entity: int | None
) -> list[SharingEntity]:
    """Return the labelled entities that share facts, by what they add to the ridge.

    Their contributions add up to those of the three mean labels of sharers.
    """
    stack, features = model.stack, model.features
    shared, ridge = stack.shared, stack.ridge
    facts = rows.all_facts[0]
    has = features.graph.facts[:, facts.indices]
    others = shared.is_labelled.astype(float)
    if entity is not None:
        others[entity] = 0.0
    start = column_groups(features)[GROUPS[-1]].start
    total = np.zeros(len(others))
    for number, weights in enumerate(shared.weights):
        w = weights[facts.indices].astype(float)
        of_entity = (has @ w) * others
        size = of_entity.sum() + SHRINKAGE * float(weights.mean())
        parts = of_entity * shared.labels / size
        column = start + 2 * number
        mean = float(parts.sum())
        inside = float(np.clip(mean, ridge.low[column], ridge.high[column]))
        scaled = float(ridge.weights[column] / ridge.scale[column])
        total += scaled * parts * (inside / mean if mean else 1.0)
    used = np.flatnonzero(total)
    order = used[np.argsort(-np.abs(total[used]), kind="stable")]
    return [
        SharingEntity(
            int(k),
            float(shared.labels[k]),
            [int(facts.indices[f]) for f in has[[k]].indices],
            float(total[k]),
        )
        for k in order
    ]


def explanation_lines(
    model: FittedImportance, found: ImportanceExplanation, name: str
) -> list[str]:
    """Return an explanation as text."""
    unit = _unit(model)
    value = float(model.scale.from_scale(np.array(found.prediction)))
    lines = [
        f"{name}: {model.target_name} {value:,.4g}, predicted as {unit} "
        f"{found.prediction:.3f}",
        "",
        f"groups of features (Shapley values), in {unit}:",
        f"  {'typical entity':<44} {found.base:+9.3f}",
    ]
    lines += [f"  {k:<44} {v:+9.3f}" for k, v in found.groups.items()]
    lines += [
        f"  {'sum':<44} {found.prediction:+9.3f}",
        "",
        f"the ridge alone, weight {model.stack.weight:.2f} in the prediction:",
        f"  {'bias':<44} {found.ridge_bias:+9.3f}",
    ]
    lines += [f"  {k:<44} {v:+9.3f}" for k, v in found.ridge_terms.items()]
    relations = list(found.relation_terms.items())
    for relation, term in relations[:MAX_SHOWN]:
        lines.append(f"  {model.relation_name(relation)[-44:]:<44} {term:+9.3f}")
    if rest := relations[MAX_SHOWN:]:
        text = f"{len(rest):,} more relations"
        lines.append(f"  {text:<44} {sum(v for _, v in rest):+9.3f}")
    lines.append(f"  {'sum':<44} {found.ridge:+9.3f}")
    if found.sharers:
        lines += ["", "labelled entities that share facts, in the ridge:"]
    for sharer in found.sharers[:MAX_SHOWN]:
        number = len(sharer.facts)
        text = f"{model.name_of(sharer.entity)[:36]} ({number} shared)"
        lines.append(f"  {text:<50} {sharer.contribution:+9.4f}")
    return lines


def explanation_json(
    model: FittedImportance, found: ImportanceExplanation, name: str
) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    value = float(model.scale.from_scale(np.array(found.prediction)))
    ends, relation_name = model.features.graph.fact_ends, model.relation_name
    return {
        "entity": name,
        "predicted": value,
        "unit": _unit(model),
        "prediction": found.prediction,
        "base": found.base,
        "groups": found.groups,
        "ridge": {
            "weight": model.stack.weight,
            "prediction": found.ridge,
            "bias": found.ridge_bias,
            "terms": found.ridge_terms,
            "relations": {relation_name(k): v for k, v in found.relation_terms.items()},
        },
        "sharers": [
            {
                "entity": str(model.entities[each.entity]),
                "label": float(model.target[each.entity]),
                "contribution": each.contribution,
                "facts": [
                    [relation_name(int(r)), str(model.entities[o])]
                    for r, o in ends[each.facts[:MAX_SHOWN]]
                ],
            }
            for each in found.sharers[:MAX_SHOWN]
        ],
    }


def _unit(model: FittedImportance) -> str:
    name = model.target_name
    return f"log(1 + {name})" if model.scale.is_log else name


def ridge_weights(model: FittedImportance) -> list[tuple[str, float]]:
    """Return the ridge's weights of standardised counts, the largest first."""
    features, ridge = model.features, model.stack.ridge
    names = [*DEGREE_NAMES, *(model.relation_name(int(k)) for k in features.relations)]
    weights = ridge.weights[: len(names)]
    order = np.argsort(-np.abs(weights), kind="stable")
    return [(names[k], float(weights[k])) for k in order]
