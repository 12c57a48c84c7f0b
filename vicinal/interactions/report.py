"""What the report of a model of interactions shows."""

from typing import Any

import numpy as np

from vicinal.core.report.report import Block, Table, Text
from vicinal.core.report.sections import sentence, truncated_table
from vicinal.interactions.fitted_model import FittedInteractions
from vicinal.interactions.fitting import SituationResult
from vicinal.interactions.results import headline, mean_score
from vicinal.interactions.summary import WARNING

COMBINATION = "combination"
SETS = (
    "Sets of more than two drugs are predicted from their pairs and members. No "
    "trustworthy data exist by which this could be tested, and no effect that needs "
    "three drugs is assumed."
)
EXPLAIN = {
    "known pair": "Known pair: drugs that are known to interact, and an effect that is "
    "not known of them.",
    "new pair": "New pair: two known drugs that are not known to interact.",
    "one new drug": "One new drug: a drug without any known pair, with a known one.",
    "two new drugs": "Two new drugs: neither has a known pair.",
}


def result_blocks(results: list[SituationResult]) -> list[Block]:
    """Return the scores by situation, beside what has to be beaten."""
    rows: list[list[Any]] = []
    for result in results:
        for name, values in result.scores.items():
            score = mean_score("auroc", values[:, 0])
            shown = f"{score.value:.3f}"
            if not np.isnan(score.low):
                shown += f" [{score.low:.3f}, {score.high:.3f}]"
            precision = float(np.nanmean(values[:, 1]))
            own = name == COMBINATION
            error = result.calibration_error if own and result.decides else None
            model = "vicinal" if own else name
            cells = [result.title, result.negatives, model, shown, precision, error]
            rows.append(cells)
    columns = [
        "situation",
        "negatives",
        "model",
        "AUROC",
        "average precision",
        "calibration error",
    ]
    caption = (
        "Means over effects, with 95 % intervals over effects. Negatives: random pairs "
        "of the same kind, or pairs that have other effects (interacting). Scores of "
        "different situations answer different questions; they are not averaged."
    )
    names = list(dict.fromkeys(result.situation for result in results))
    texts: list[Block] = [Text(EXPLAIN[name]) for name in names]
    verdicts: list[Block] = [
        Text(text, "warning" if is_warning else "plain")
        for text, is_warning in map(_verdict, results)
        if text
    ]
    return [*texts, Table(columns, rows, caption), *verdicts, _warning()]


def set_blocks(model: FittedInteractions) -> list[Block]:
    """Return how sets of three drugs or more are predicted, where the table has them.

    Beside the frequency of their drugs.
    """
    if not model.set_scores:
        return [Text(SETS)]
    rows: list[list[Any]] = [[name, auroc] for name, auroc in model.set_scores.items()]
    caption = (
        "AUROC on sets of the table that were held out, beside sets in which one drug "
        "is replaced by one that is as frequent."
    )
    scores = model.set_scores
    best = max(scores, key=lambda name: scores[name])
    text = "The effects of sets are predicted from their pairs and members"
    if best == "pairs and members":
        return [Table(["model", "AUROC"], rows, caption), Text(f"{text}.")]
    warning = f"{text}, although {best} ranks the sets of this table better."
    return [Table(["model", "AUROC"], rows, caption), Text(warning, "warning")]


def _warning() -> Text:
    return Text(sentence(WARNING), "warning")


def _verdict(result: SituationResult) -> tuple[str, bool]:
    """Return a warning where a simpler model ranks as well."""
    means = {
        name: float(np.nanmean(values[:, 0])) for name, values in result.scores.items()
    }
    ours = means.pop(COMBINATION)
    better = [name for name, value in means.items() if value >= ours]
    if not better or not result.decides:
        return "", False
    names = " and ".join(better)
    return (
        f"{sentence(result.title).rstrip('.')}: not better than {names} "
        f"({max(means.values()):.3f} against {ours:.3f}).",
        True,
    )


def effect_blocks(model: FittedInteractions) -> list[Block]:
    """Return the effects that are ranked worst in the situation of the headline."""
    result = headline(model.results)
    values = result.scores[COMBINATION]
    effects = np.unique(result.cells.effects)
    order = np.argsort(np.nan_to_num(values[:, 0], nan=-1.0), kind="stable")
    counts = model.scores.pair_effects.effect_counts
    rows = [
        [
            str(model.effects[effects[k]]),
            int(counts[effects[k]]),
            float(values[k, 0]),
            float(values[k, 1]),
        ]
        for k in order
    ]
    columns = ["effect", "pairs", "AUROC", "average precision"]
    table = truncated_table(columns, rows)
    text = f"Effects in the situation {result.title}, the hardest first."
    return [Text(text), table]
