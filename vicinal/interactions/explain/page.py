"""An explanation as JSON, and as a page."""

from typing import Any

import numpy as np

from vicinal.core.report.report import Block, Report, Section, Table, Text
from vicinal.core.storage.files import json_ready
from vicinal.interactions.explain.explanation import PairExplanation, SetExplanation
from vicinal.interactions.summary import WARNING

MAX_SIMILAR = 10
"""similar drugs of a pair in the JSON, and on the page"""

MAX_PAIRS = 10
"""pairs of a set on the page"""


def explanation_json(found: SetExplanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    prediction, effect = found.prediction, found.effect
    return json_ready(
        {
            "drugs": list(prediction.drugs),
            "effect": str(prediction.effects[effect]),
            "probability": found.probability,
            "evidence": prediction.evidence(effect),
            "parts": [
                {"drugs": list(part), "share": share}
                for part, share in prediction.contributions(effect)
            ],
            "pairs": [_pair_json(pair) for pair in found.pairs],
        }
    )


def _pair_json(pair: PairExplanation) -> dict[str, Any]:
    return {
        "drugs": list(pair.pair),
        "situation": pair.situation,
        "known": pair.known,
        "probability": pair.probability,
        "log_odds": pair.logit,
        "frequency": pair.prior,
        "typical_scores": pair.base,
        "terms": [term._asdict() for term in pair.terms],
        "similar_drugs": [each._asdict() for each in pair.similar[:MAX_SIMILAR]],
        "shared_targets": pair.shared_targets,
    }


def explanation_page(found: SetExplanation) -> str:
    """Return an explanation as an HTML page."""
    prediction, effect = found.prediction, found.effect
    name, p = str(prediction.effects[effect]), found.probability
    shown = "Nothing supports a prediction" if np.isnan(p) else f"Probability {p:.3f}"
    parts = prediction.contributions(effect)
    rows = [[" + ".join(part), share] for part, share in parts]
    total = [["sum", sum(share for _, share in parts)]]
    caption = "Each drug and each pair, with its share of the probability."
    blocks: list[Block] = [
        Text(f"{shown} ({prediction.evidence(effect)}).", "lead"),
        Table(["part", "share"], rows, caption, total),
        Text(WARNING[:1].upper() + WARNING[1:] + ".", "warning"),
    ]
    sections = [Section("Parts", blocks)]
    sections += [_pair_section(pair) for pair in found.pairs[:MAX_PAIRS]]
    title = f"{' + '.join(prediction.drugs)}: {name}"
    return Report(title, "What the probability is the sum of", sections).html()


def _pair_section(pair: PairExplanation) -> Section:
    title = f"{' + '.join(pair.pair)} ({pair.situation})"
    if pair.known:
        return Section(title, [Text("This effect of the pair is in the table.")])
    if np.isnan(pair.probability):
        text = "Nothing is known that would support a prediction for this pair."
        return Section(title, [Text(text)])
    rows: list[list[Any]] = [
        ["frequency of the effect", None, None, pair.prior],
        ["a pair with typical scores", None, None, pair.base],
        *(
            [term.name, term.value, term.typical, term.contribution]
            for term in pair.terms
        ),
    ]
    columns = ["score", "value", "typical value", "adds to the log odds"]
    caption = (
        "Shapley values: the mean effect of a score over all orders in which typical "
        "scores are replaced by those of this pair."
    )
    total = [["sum", None, None, pair.logit]]
    blocks: list[Block] = [
        Text(f"Probability {pair.probability:.4f}."),
        Table(columns, rows, caption, total),
    ]
    if pair.similar:
        similar = [
            [each.drug, each.like, each.partner, each.weight]
            for each in pair.similar[:MAX_SIMILAR]
        ]
        names = ["drug", "is like", "has the effect with", "weight"]
        blocks.append(Table(names, similar, "Similar drugs that have the effect."))
    if pair.shared_targets:
        blocks.append(Text(f"Shared targets: {', '.join(pair.shared_targets)}."))
    return Section(title, blocks)
