"""AUROC and average precision of single classes, from predicted probabilities.

Accuracy hardly shows how well a rare class is detected; these do, for any threshold.
"""

import math

import numpy as np

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import Score, bootstrap
from vicinal.core.report.report import Block, Table
from vicinal.core.text import format_percent

RARE = 0.1
"""fraction of the examples below which a class is rare"""

MAX_CLASSES = 5

BOOTSTRAP_SAMPLES = 200


def ranking_table(evaluation: Evaluation) -> list[Block]:
    """Return AUROC and average precision of both classes, or of rare classes.

    Nothing for a regression, or without a rare class.
    """
    targets = _indicators(evaluation)
    if targets is None:
        return []
    frequency = targets.mean(axis=0)
    order = np.argsort(frequency, kind="stable")
    chosen = [k for k in order if 0 < frequency[k] < (1 if len(order) == 2 else RARE)]
    rows = []
    for k in chosen[:MAX_CLASSES]:
        name = evaluation.classes[k]
        probability = evaluation.predictions[f"p_{name}"].to_numpy(float)
        auroc, precision = (
            bootstrap(
                metric,
                measure,
                targets[:, k],
                probability,
                evaluation.groups,
                samples=BOOTSTRAP_SAMPLES,
            )
            for metric, measure in (
                ("auroc", _auroc),
                ("average_precision", _average_precision),
            )
        )
        support = int(targets[:, k].sum())
        cells = [_cell(auroc), _cell(precision), format_percent(frequency[k]), support]
        rows.append([name, *cells])
    if not rows:
        return []
    caption = (
        "One class against the rest, with 95 % confidence intervals. A random ranking "
        "has AUROC 0.5 and an average precision equal to the prevalence."
    )
    columns = ["class", "AUROC", "average precision", "prevalence", "support"]
    return [Table(columns, rows, caption)]


def _indicators(evaluation: Evaluation) -> np.ndarray | None:
    """Return whether each example has each class, bool [N, K].

    None for numbers, and for links, whose scores are ranking scores already.
    """
    columns = {"label", *(f"p_{name}" for name in evaluation.classes)}
    if not evaluation.classes or not columns <= {*evaluation.predictions.columns}:
        return None
    labels = evaluation.predictions["label"].astype(str).to_numpy()
    if not len(labels):
        return None
    single_label = evaluation.decisions.ndim == 1
    names = [{label} if single_label else set(label.split("|")) for label in labels]
    return np.array([[name in own for name in evaluation.classes] for own in names])


def _auroc(y: np.ndarray, probability: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return math.nan if y.all() or not y.any() else roc_auc_score(y, probability)


def _average_precision(y: np.ndarray, probability: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score

    return average_precision_score(y, probability) if y.any() else math.nan


def _cell(score: Score) -> str:
    if math.isnan(score.low):
        return f"{score.value:.3f}"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
