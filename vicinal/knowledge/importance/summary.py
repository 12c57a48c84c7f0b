"""What triples with a target hold, in figures and in sentences."""

from typing import Any

import numpy as np

from vicinal.knowledge.importance.features.centralities import MEANINGS
from vicinal.knowledge.importance.fitting import skewness
from vicinal.knowledge.importance.table import ImportanceTable


def table_statistics(table: ImportanceTable) -> dict[str, Any]:
    """Return figures that describe a table."""
    labelled = table.labelled
    known = table.target[labelled]
    found = {
        "entities": len(table.entities),
        "relations": table.triples.num_relations,
        "triples": len(table.graph.triples),
        "median_degree": float(np.median(table.graph.degrees)),
        "target": table.target_name,
        "labelled": len(labelled),
    }
    if len(known):
        found |= {
            "target_min": float(known.min()),
            "target_median": float(np.median(known)),
            "target_max": float(known.max()),
            "target_skewness": skewness(known),
        }
    return found


def table_lines(table: ImportanceTable) -> list[str]:
    """Return the same in sentences."""
    found = table_statistics(table)
    lines = [
        f"{found['entities']:,} entities, {found['relations']:,} relations, "
        f"{found['triples']:,} triples; an entity is in {found['median_degree']:,.0f} "
        "(median)"
    ]
    if not found["labelled"]:
        return [*lines, "no target: --nodes FILE --target COLUMN names one"]
    share = found["labelled"] / found["entities"]
    lines.append(
        f"target {found['target']}: {found['labelled']:,} entities have it "
        f"({share:.0%}); {found['target_min']:,.4g} to {found['target_max']:,.4g}, "
        f"median {found['target_median']:,.4g}, skewness "
        f"{found['target_skewness']:.1f}"
    )
    return lines


def centrality_lines(frame: Any) -> list[str]:
    """Return a table of centralities (`centrality_table`) as text, and its meaning."""
    names = frame["entity"].astype(str)
    if "name" in frame:
        names = frame["name"].where(frame["name"] != "", names)
    width = max(8, min(32, int(names.str.len().max())))
    titles = [name.replace("_", " ") for name in MEANINGS]
    lines = ["", "  ".join([f"{'entity':<{width}}", *(f"{t:>11}" for t in titles)])]
    for name, row in zip(names, frame[list(MEANINGS)].to_numpy(), strict=True):
        cells = (f"{value:>11.4g}" for value in row)
        lines.append("  ".join([f"{name[:width]:<{width}}", *cells]))
    meanings = [f"{t}: {m}" for t, m in zip(titles, MEANINGS.values(), strict=True)]
    return [*lines, "", *meanings, ""]
