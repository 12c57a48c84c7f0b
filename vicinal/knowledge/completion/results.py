"""The scores of a completion: mean reciprocal rank with its interval, by model."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.significance import sign_test_of_gains
from vicinal.core.metrics import Score, mean_score
from vicinal.core.text import pluralize
from vicinal.errors import DataError
from vicinal.knowledge.completion.fitting import CompletionScores, scorer
from vicinal.knowledge.data.cardinality import relation_cardinalities
from vicinal.knowledge.data.triple_table import TripleTable, triple_codes
from vicinal.knowledge.evaluation.ranking import HITS, filtered_ranks
from vicinal.knowledge.triple_graph import TripleGraph


def evaluation_of(model: Any) -> Evaluation:
    """Return the scores of a `FittedTriples` on its test triples.

    The intervals are over triples, of which both ends are asked for.
    """
    scores = model.scores
    own = scores.ranks[scores.delivered]
    others = {name: r for name, r in scores.ranks.items() if name != scores.delivered}
    return Evaluation(
        score=_mrr(own),
        scores=[_mean(f"hits@{k}", own <= k) for k in HITS],
        baselines={name: _mrr(ranks) for name, ranks in others.items()},
        predictions=ranks_frame(model),
        decisions=np.zeros(0),
        calibration_error=scores.calibration_error,
        comparisons={
            name: sign_test_of_gains(np.sign(1 / own - 1 / ranks).ravel())
            for name, ranks in others.items()
        },
        notes=[
            "filtered ranks of both ends of the test triples; the mean rank is taken "
            "among equal scores (realistic)"
        ],
    )


def evaluation_on(model: Any, table: TripleTable) -> Evaluation:
    """Return the scores of a `FittedTriples` on other triples.

    Triples that the graph has, and triples of names that it does not have, are left
    out, which the notes say; the other given ones count as known answers. Raises
    DataError if none is left.
    """
    names, graph = model.names, model.graph
    ends = _numbers(names.find_entity, table.entities)
    kinds = _numbers(names.find_relation, table.relations)
    heads, relations, tails = table.triples.T
    triples = np.stack([ends[heads], kinds[relations], ends[tails]], axis=1)
    usable = triples[(triples >= 0).all(axis=1)]
    own = graph.num_entities, graph.num_relations
    is_known = np.isin(triple_codes(usable, *own), triple_codes(graph.triples, *own))
    new, notes = usable[~is_known], [*table.notes]
    if count := len(triples) - len(usable):
        notes.append(
            f"{pluralize(count, 'triple')} left out: of names not in the graph"
        )
    if count := int(is_known.sum()):
        notes.append(f"{pluralize(count, 'triple')} left out: the graph has them")
    if not len(new):
        raise DataError(f"No triple is left to score the model on: {'; '.join(notes)}.")
    known = TripleGraph(np.concatenate([graph.triples, new]), *own)
    ranks = filtered_ranks(scorer(model.completion), new, known)
    found = evaluation_of(replace(model, scores=CompletionScores(ranks, new, {}, {})))
    return replace(found, notes=[*found.notes, *notes], calibration_error=None)


def _mrr(ranks: np.ndarray) -> Score:
    return _mean("mrr", 1 / ranks)


def _mean(metric: str, values: np.ndarray) -> Score:
    """Return the mean of values [2, N], between 0 and 1, of tails and heads."""
    return mean_score(metric, values.mean(axis=0), upper=1.0)


def _numbers(find: Callable[[str], int | None], names: np.ndarray) -> np.ndarray:
    """Return the numbers of names; -1 where there is none."""
    found = (find(str(name)) for name in names)
    return np.array([-1 if k is None else k for k in found], np.int64)


def ranks_frame(model: Any) -> pd.DataFrame:
    """Return a row for each test triple: its ends and their ranks."""
    heads, relations, tails = model.scores.tested.T
    tail_ranks, head_ranks = model.scores.ranks[model.scores.delivered]
    return pd.DataFrame(
        {
            "head": model.entities[heads],
            "relation": model.relations[relations],
            "tail": model.entities[tails],
            "tail_rank": tail_ranks,
            "head_rank": head_ranks,
        }
    )


def relation_rows(model: Any) -> list[dict[str, Any]]:
    """Return the cardinality and the test scores of each relation, the largest first.

    mrr: of both ends; mrr_tails, mrr_heads: of the questions for tails and for heads;
    None where no triple was tested.
    """
    graph, scores = model.graph, model.scores
    own = 1 / scores.ranks[scores.delivered]
    kinds = relation_cardinalities(
        graph.triples, graph.num_entities, graph.num_relations
    )
    rows = []
    for each in sorted(kinds, key=lambda kind: -kind.num_triples):
        found = own[:, scores.tested[:, 1] == each.relation]
        tails, heads = None, None
        if found.size:
            tails, heads = found.mean(axis=1).round(4).tolist()
        rows.append(
            {
                "relation": str(model.relations[each.relation]),
                "triples": each.num_triples,
                "cardinality": each.kind,
                "tails_per_head": round(each.tails_per_head, 2),
                "heads_per_tail": round(each.heads_per_tail, 2),
                "tested": found.shape[1],
                "mrr": round(float(found.mean()), 4) if found.size else None,
                "mrr_tails": tails,
                "mrr_heads": heads,
            }
        )
    return rows
