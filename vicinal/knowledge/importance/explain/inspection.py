"""Inspect the network of scores: how much attention each predicate gets."""

import numpy as np

from vicinal.core.report.finding import Finding
from vicinal.errors import DataError
from vicinal.knowledge.importance.fitted_model import FittedImportance


def inspect_attention(model: FittedImportance, top: int) -> Finding:
    """Show the predicates with the most and the least attention.

    Raises DataError where no network was trained.
    """
    if model.attention is None:
        raise DataError(
            "There is no attention to inspect: no network was trained. Train with "
            "--minutes above 0."
        )
    mean = model.attention.mean(axis=0)
    known = np.flatnonzero(~np.isnan(mean))
    order = known[np.argsort(-mean[known], kind="stable")]
    size = len(model.relations)
    counts = np.bincount(model.features.graph.directed[:, 1], minlength=2 * size)
    counts = np.append(counts, len(model.entities))
    rows = [
        {
            "predicate": model.relation_name(int(k)),
            "attention": float(mean[k]),
            "by_layer": model.attention[:, k].tolist(),
            "edges": int(counts[k]),
        }
        for k in order
    ]
    kept = "predicts" if model.network is not None else "was trained, but not kept"
    lines = [
        f"attention by predicate of the network, which {kept}; 1: as much as an "
        "average edge of the entity",
        "",
        "  attention     edges  predicate",
    ]
    shown = rows if len(rows) <= 2 * top else [*rows[:top], None, *rows[-top:]]
    for row in shown:
        if row is None:
            lines.append(f"  ... {len(rows) - 2 * top:,} more")
        else:
            lines.append(
                f"  {row['attention']:9.2f} {row['edges']:9,}  {row['predicate']}"
            )
    return Finding(text=lines, data={"predicates": rows})
