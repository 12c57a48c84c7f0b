"""Label issues and the learning curve, both from the linear probe of a run."""

from typing import TYPE_CHECKING

import numpy as np

from vicinal.core.evaluation.label_issues import LabelIssue, find_label_issues
from vicinal.core.evaluation.learning_curve import LearningCurve, learning_curve
from vicinal.core.objective import NO_LABEL, Objective
from vicinal.core.report.plots import jpeg_base64
from vicinal.core.report.report import Block, Gallery, Text, Thumbnail
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.training.linear_probe import LinearProbe

if TYPE_CHECKING:
    import pandas as pd

MAX_THUMBNAILS = 12
"""label issues in the report; label_issues.csv has all"""

MIN_IMAGES = 100
"""images from which a learning curve is fitted"""

MAX_CLASSES = 3
"""classes with the largest gain that are named"""


# --- label issues --------------------------------------------------------------------


def probe_label_issues(probe: LinearProbe, objective: Objective) -> list[LabelIssue]:
    """Return the label issues, worst first; empty for numbers."""
    if objective.kind == "numeric":
        return []
    return find_label_issues(probe.predicted, probe.y, objective, probe.features)


def label_issue_frame(
    issues: list[LabelIssue], images: ImageDataset, objective: Objective
) -> "pd.DataFrame":
    """Return the table path, label, proposed, score, kind, nearest images.

    images: those that the probe was fitted on.
    """
    import pandas as pd

    names = images.table.names
    rows = [
        {
            "path": names[issue.row],
            "label": format_label(issue.labels, objective),
            "proposed": format_label(issue.proposed, objective),
            "score": round(issue.score, 4),
            "kind": issue.kind,
            "nearest": "; ".join(
                f"{names[n.row]} ({format_label(n.labels, objective)})"
                for n in issue.neighbors
            ),
        }
        for issue in issues
    ]
    columns = ["path", "label", "proposed", "score", "kind", "nearest"]
    return pd.DataFrame(rows, columns=columns)


def label_issue_blocks(
    issues: list[LabelIssue], images: ImageDataset, objective: Objective
) -> list[Block]:
    """Show the worst label issues as thumbnails."""
    wrong = [issue for issue in issues if issue.kind == "label"]
    if not wrong:
        return [Text("No suspected label errors.")]
    worst = wrong[:MAX_THUMBNAILS]
    pixels = images.batch(np.array([issue.row for issue in worst]))
    thumbnails = [
        Thumbnail(
            jpeg_base64(image),
            [
                f"label: {format_label(issue.labels, objective)}",
                f"proposed: {format_label(issue.proposed, objective)}",
                images.table.names[issue.row],
            ],
        )
        for image, issue in zip(pixels, worst, strict=True)
    ]
    ambiguous = len(issues) - len(wrong)
    more = f" and {ambiguous:,} ambiguous images" if ambiguous else ""
    text = (
        f"{len(wrong):,} suspected label errors{more}: the cross-validated linear "
        "probe and the nearest images disagree with the label. label_issues.csv lists "
        "them, worst first, with the nearest images."
    )
    return [Text(text), Gallery(thumbnails, "Suspected label errors, worst first.")]


def format_label(rows: tuple[int, ...], objective: Objective) -> str:
    """Return class indices as a label is written: `a`, `a|b`, or `-` for none."""
    return "|".join(objective.classes[k] for k in rows) or NO_LABEL


# --- the learning curve --------------------------------------------------------------


def describe_learning_curve(probe: LinearProbe, objective: Objective) -> str:
    """Describe how much more training images would improve the linear probe."""
    if len(probe.y) < MIN_IMAGES:
        return f"Learning curve: not estimated below {MIN_IMAGES} images."
    curve = learning_curve(
        probe.features, probe.y, objective, probe.folds, probe.fit.head.penalty
    )
    return " ".join([curve.describe(), *_describe_classes(curve)])


def _describe_classes(curve: LearningCurve) -> list[str]:
    """Name the classes whose recall would gain most, where that is conclusive."""
    gains = {
        name: by_class.gain(2)
        for name, by_class in curve.by_class.items()
        if by_class.is_conclusive
    }
    best = sorted(gains, key=lambda name: -gains[name].value)[:MAX_CLASSES]
    if not best:
        return []
    classes = ", ".join(
        f"{name} (+{100 * gains[name].value:.0f} points "
        f"[{100 * gains[name].low:.0f}, {100 * gains[name].high:.0f}])"
        for name in best
    )
    return [f"Largest expected gain in recall from twice as many images: {classes}."]
