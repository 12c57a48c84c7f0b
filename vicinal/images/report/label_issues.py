"""What the first answer says of the labels, and of how many more pictures may help."""

from typing import Any

import numpy as np

from vicinal.core.evaluation.label_issues import Suspect, find_suspects
from vicinal.core.evaluation.learning_curve import Curve, learning_curve
from vicinal.core.objective import NO_LABEL, Objective
from vicinal.core.report.report import Block, Gallery, Picture, Text, jpeg_base64
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.training.linear_probe import Probe

SHOWN = 12
"""suspects in the report; the CSV has all"""


FEWEST = 100
"""pictures below which a learning curve says nothing"""


def suspects_of(probe: Probe, objective: Objective) -> list[Suspect]:
    """Pictures whose labels deserve a look, worst first; none for numbers."""
    if objective.kind == "numeric":
        return []
    return find_suspects(probe.predicted, probe.y, objective, probe.features)


def suspects_frame(
    suspects: list[Suspect], pictures: ImageDataset, objective: Objective
) -> Any:
    """A table: path, label, proposed, score, kind, and the nearest pictures.

    pictures: those that the probe was fitted on.
    """
    import pandas as pd

    names = pictures.table.names
    rows = [
        {
            "path": names[s.row],
            "label": told(s.given, objective),
            "proposed": told(s.proposed, objective),
            "score": round(s.score, 4),
            "kind": s.kind,
            "nearest": "; ".join(
                f"{names[n.row]} ({told(n.labels, objective)})" for n in s.neighbours
            ),
        }
        for s in suspects
    ]
    columns = ["path", "label", "proposed", "score", "kind", "nearest"]
    return pd.DataFrame(rows, columns=columns)


def suspects_blocks(
    suspects: list[Suspect], pictures: ImageDataset, objective: Objective
) -> list[Block]:
    """The worst of them, as thumbnails."""
    wrong = [s for s in suspects if s.kind == "label"]
    if not wrong:
        return [Text("No label is suspected of being wrong.")]
    worst = wrong[:SHOWN]
    pixels = pictures.batch(np.array([s.row for s in worst]))
    shown = [
        Picture(
            jpeg_base64(p),
            [
                f"labelled {told(s.given, objective)}",
                f"rather {told(s.proposed, objective)}",
                pictures.table.names[s.row],
            ],
        )
        for p, s in zip(pixels, worst, strict=True)
    ]
    between = len(suspects) - len(wrong)
    more = f"; {between:,} more in it are ambiguous" if between else ""
    text = (
        f"{len(wrong):,} labels may be wrong: pictures like these, and the first "
        "answer by a head that had not seen them, say something else. suspects.csv "
        "lists them, the most suspect first, with their nearest pictures"
        f"{more}."
    )
    return [Text(text), Gallery(shown, "The most suspect labels.")]


def told(rows: tuple[int, ...], objective: Objective) -> str:
    """Class rows as a label is written: `a`, `a|b`, or `-` for none."""
    return "|".join(objective.classes[k] for k in rows) or NO_LABEL


def more_pictures(probe: Probe, objective: Objective) -> str:
    """What more pictures would bring, in a sentence."""
    if len(probe.y) < FEWEST:
        return f"Below {FEWEST} pictures nothing can be said of what more would bring."
    curve = learning_curve(
        probe.features, probe.y, objective, probe.folds, probe.fit.head.penalty
    )
    return " ".join([curve.sentence(), *_by_class(curve)])


MOST_CLASSES = 3
"""classes that are named as those that more pictures would help most"""


def _by_class(curve: Curve) -> list[str]:
    """Which classes would gain most, where that can be promised at all."""
    gains = {
        name: own.gain(2) for name, own in curve.by_class.items() if own.meaningful
    }
    most = sorted(gains, key=lambda name: -gains[name].value)[:MOST_CLASSES]
    if not most:
        return []
    told = ", ".join(
        f"{name} (+{100 * gains[name].value:.0f} points "
        f"[{100 * gains[name].low:.0f}, {100 * gains[name].high:.0f}])"
        for name in most
    )
    return [f"Of the classes twice as many pictures would help most to find: {told}."]
