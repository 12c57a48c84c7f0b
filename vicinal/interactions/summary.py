"""What a table of interactions holds, in figures and in sentences."""

from typing import Any

import numpy as np

from vicinal.core.text import format_percent, pluralize
from vicinal.interactions.data.interaction_table import InteractionTable

WARNING = (
    "this is no medical advice; effects that were reported together are not proven "
    "causes"
)
"""what every report and every prediction says"""


def table_statistics(table: InteractionTable) -> dict[str, Any]:
    """Return figures that describe a table."""
    structures = sum(smiles is not None for smiles in table.smiles)
    counts = np.bincount(table.pair_effects, minlength=len(table.effects))
    sizes = [len(drugs) for drugs in table.sets]
    return {
        "rows": table.num_rows,
        "drugs": len(table.drugs),
        "effects": len(table.effects),
        "pairs": table.num_pairs,
        "facts": len(table.pairs),
        "ordered": table.ordered,
        "median_pairs_per_effect": float(np.median(counts)) if len(counts) else 0.0,
        "single_effects": len(table.singles),
        "sets": len(table.sets),
        "largest_set": max(sizes, default=2),
        "structures": structures,
        "targets": len(table.targets),
        "protein_edges": len(table.protein_edges),
    }


def table_lines(table: InteractionTable) -> list[str]:
    """Return the same in sentences."""
    found = table_statistics(table)
    drugs = max(found["drugs"], 2)
    possible = drugs * (drugs - 1) // (1 if table.ordered else 2)
    kind = "ordered pair" if table.ordered else "pair"
    lines = [
        f"{pluralize(found['drugs'], 'drug')}, {pluralize(found['pairs'], kind)} "
        f"({format_percent(found['pairs'] / possible)} of all) with "
        f"{pluralize(found['effects'], 'effect')}",
        f"{pluralize(found['facts'], 'fact')}; an effect has "
        f"{found['median_pairs_per_effect']:,.0f} pairs (median)",
    ]
    if found["sets"]:
        lines.append(
            f"{pluralize(found['sets'], 'set')} of three drugs or more, the largest "
            f"of {found['largest_set']}"
        )
    known = [
        pluralize(found["structures"], "structure"),
        pluralize(found["targets"], "target"),
        pluralize(found["single_effects"], "effect") + " of drugs taken alone",
        pluralize(found["protein_edges"], "interaction") + " of proteins",
    ]
    parts = [text for text in known if not text.startswith("0 ")]
    lines.append("known of the drugs: " + (", ".join(parts) or "their names only"))
    return lines
