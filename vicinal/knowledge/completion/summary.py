"""What triples hold, in figures and in sentences."""

from typing import Any

import numpy as np

from vicinal.core.text import format_percent, pluralize
from vicinal.knowledge.data.cardinality import relation_cardinalities
from vicinal.knowledge.data.leaks import find_relation_pairs, leaked_test_triples
from vicinal.knowledge.data.names import count_entities
from vicinal.knowledge.data.triple_table import TripleTable

MAX_PAIRS = 3
"""pairs of relations that are named"""


def table_statistics(table: TripleTable) -> dict[str, Any]:
    """Return figures that describe a table."""
    ends = table.triples[:, [0, 2]]
    degrees = np.bincount(ends.ravel(), minlength=table.num_entities)
    own = (table.triples, table.num_entities, table.num_relations)
    kinds = [each.kind for each in relation_cardinalities(*own) if each.num_triples]
    found: dict[str, Any] = {
        "rows": table.num_rows,
        "entities": table.num_entities,
        "relations": table.num_relations,
        "triples": len(table.triples),
        "validation": 0 if table.validation is None else len(table.validation),
        "test": 0 if table.test is None else len(table.test),
        "median_degree": float(np.median(degrees[degrees > 0])),
        "unseen_entities": len(table.unseen),
        "literals": len(table.literals),
        "cardinalities": {kind: kinds.count(kind) for kind in sorted({*kinds})},
        "relation_pairs": [
            {
                "relation": str(table.relations[pair.relation]),
                "other": str(table.relations[pair.other]),
                "kind": pair.kind,
                "share": pair.share,
                "support": pair.support,
            }
            for pair in find_relation_pairs(*own)
        ],
    }
    if table.test is not None:
        found["leaked_test_triples"] = leaked_test_triples(table)
    return found


def table_lines(found: dict[str, Any]) -> list[str]:
    """Return the figures of `table_statistics` in sentences."""
    lines = [
        f"{count_entities(found['entities'])}, "
        f"{pluralize(found['relations'], 'relation')}, "
        f"{pluralize(found['triples'], 'triple')}; an entity is in "
        f"{found['median_degree']:,.0f} (median)"
    ]
    if found["validation"] or found["test"]:
        lines[0] += (
            f"; {found['validation']:,} for validation and {found['test']:,} for "
            "testing"
        )
    kinds = [f"{count:,} {kind}" for kind, count in found["cardinalities"].items()]
    lines.append(f"relations by heads and tails: {', '.join(kinds)}")
    if pairs := found["relation_pairs"]:
        shown = "; ".join(map(describe_pair, pairs[:MAX_PAIRS]))
        more = "; ..." if len(pairs) > MAX_PAIRS else ""
        lines.append(
            f"{pluralize(len(pairs), 'relation')} that another one repeats: "
            f"{shown}{more}"
        )
    leaked = found.get("leaked_test_triples")
    if leaked and leaked["paired"]:
        lines.append(
            f"{leaked['paired']:,} of {leaked['test']:,} test triples "
            f"({format_percent(leaked['paired'] / leaked['test'])}) are in training "
            "under a duplicate, inverse or symmetric relation: scores on them say "
            "little"
        )
    return lines


def describe_pair(pair: dict[str, Any]) -> str:
    """Return how a relation follows from another one."""
    share = f"{format_percent(pair['share'])} of its triples"
    if pair["kind"] == "symmetric":
        return f"{pair['relation']} is symmetric ({share})"
    article = "an" if pair["kind"] == "inverse" else "a"
    return (
        f"{pair['relation']} is {article} {pair['kind']} of {pair['other']} ({share})"
    )
