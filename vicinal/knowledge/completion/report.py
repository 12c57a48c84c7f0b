"""What the report of a completion shows."""

from typing import Any

import numpy as np

from vicinal.core.report.report import Block, Table, Text
from vicinal.core.report.sections import truncated_table
from vicinal.core.text import format_percent
from vicinal.knowledge.answering.frames import describe_path
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.completion.results import relation_rows
from vicinal.knowledge.completion.summary import describe_pair
from vicinal.knowledge.evaluation.ranking import rank_scores

MAX_RULES, MAX_HARDEST = 20, 10
MIN_TESTED = 10
"""test triples of a relation, for its score to be compared with others"""

BINS = 5
"""of probabilities, in the table of calibration"""


def result_blocks(model: FittedTriples) -> list[Block]:
    """Return the scores by model and by relation, the rules and the calibration."""
    return [
        model_table(model),
        *calibration_table(model),
        *relation_tables(model),
        *rule_table(model),
    ]


def model_table(model: FittedTriples) -> Block:
    """Return the scores of each model on the test triples."""
    scores = model.scores
    rows: list[list[Any]] = []
    for name, ranks in scores.ranks.items():
        found = rank_scores(ranks)
        keys = ("mrr", "hits@1", "hits@3", "hits@10")
        validated = scores.validation.get(name)
        rows.append(
            [
                name,
                *(round(found[key], 4) for key in keys),
                None if validated is None else round(validated, 4),
                round(found["mean_rank"], 1),
            ]
        )
    steps = ", ".join(f"{name} {value:.1f} s" for name, value in scores.seconds.items())
    columns = ["model", "MRR", "hits@1", "hits@3", "hits@10"]
    caption = (
        "Both ends of each test triple are asked for; other known answers are left out "
        "(filtered), and among equal scores the mean rank is taken (realistic). "
        f"Popularity: how often an entity answers the relation. Seconds: {steps}."
    )
    return Table([*columns, "validation MRR", "mean rank"], rows, caption)


def calibration_table(model: FittedTriples) -> list[Block]:
    """Return how often answers with a probability were right."""
    probabilities, truth = model.scores.answers
    if not len(truth):
        return []
    edges = np.linspace(0, 1, BINS + 1)
    bins = np.clip(np.digitize(probabilities, edges) - 1, 0, BINS - 1)
    rows: list[list[Any]] = []
    for k in range(BINS):
        own = bins == k
        if own.any():
            name = f"{edges[k]:.1f} to {edges[k + 1]:.1f}"
            mean, right = probabilities[own].mean(), truth[own].mean()
            rows.append([name, int(own.sum()), format_percent(mean), right.round(3)])
    caption = (
        f"Calibration error {model.scores.calibration_error:.3f}: best answers to test "
        "questions, and how many are facts that were held out. A true fact that nobody "
        "has written down counts as wrong here, so that the probabilities are low."
    )
    columns = ["probability", "answers", "mean probability", "share that is right"]
    return [Table(columns, rows, caption)]


def relation_tables(model: FittedTriples) -> list[Block]:
    """Return all relations with their cardinality and score, and the hardest ones."""
    rows = relation_rows(model)
    cells = [
        [
            row["relation"],
            row["triples"],
            row["cardinality"],
            row["tested"],
            row["mrr"],
            row["mrr_tails"],
            row["mrr_heads"],
        ]
        for row in rows
    ]
    columns = ["relation", "triples", "cardinality", "tested", "MRR", "tails", "heads"]
    caption = (
        "Relations with the most triples. Cardinality: heads of a tail, tails of a "
        "head; N from a mean of 1.5 on (Bordes et al. 2013). MRR of the questions for "
        "tails and for heads: the side with many answers is the harder one."
    )
    blocks: list[Block] = [truncated_table(columns, cells, caption)]
    tested = [k for k, row in enumerate(rows) if row["tested"] >= MIN_TESTED]
    hardest = sorted(tested, key=lambda k: rows[k]["mrr"])[:MAX_HARDEST]
    if len(tested) > MAX_HARDEST:
        caption = f"The hardest relations, of those with {MIN_TESTED} test triples."
        blocks.append(Table(columns, [cells[k] for k in hardest], caption))
    return blocks


def rule_table(model: FittedTriples) -> list[Block]:
    """Return the path rules that hold most often."""
    rules, names = model.completion.rules.paths.rules, model.names
    best = sorted(rules, key=lambda rule: -rule.shared * rule.confidence)[:MAX_RULES]
    if not best:
        return [Text("No path of one or two steps leads to answers often enough.")]
    rows: list[list[Any]] = [
        [
            describe_path(names, rule.path),
            names.show_relation(rule.relation),
            rule.shared,
            rule.reached,
            round(rule.confidence, 3),
        ]
        for rule in best
    ]
    columns = ["path", "relation", "right", "reached", "confidence"]
    caption = (
        f"Of {len(rules):,} rules of paths: who is reached by the path is often an "
        "answer to the relation. Rules of facts are mined when they are asked for."
    )
    return [Table(columns, rows, caption)]


def leak_blocks(found: dict[str, Any]) -> list[Block]:
    """Return the relations that repeat others, and the test triples they give away.

    found: of `summary.table_statistics`.
    """
    pairs, leaked = found["relation_pairs"], found.get("leaked_test_triples")
    if not pairs:
        return [Text("No relation is a duplicate or an inverse of another one.")]
    rows: list[list[Any]] = [
        [pair["relation"], pair["kind"], pair["other"], pair["support"], pair["share"]]
        for pair in pairs
    ]
    columns = ["relation", "is", "of", "triples", "share"]
    text = "Relations that repeat others: " + describe_pair(pairs[0]) + "."
    blocks: list[Block] = [truncated_table(columns, rows, text)]
    if leaked and leaked["paired"]:
        share = format_percent(leaked["paired"] / leaked["test"])
        warning = (
            f"{leaked['paired']:,} of {leaked['test']:,} test triples ({share}) are in "
            "training under a duplicate, inverse or symmetric relation. Scores on them "
            "say little of other facts (the problem of FB15k and WN18, Toutanova and "
            "Chen 2015)."
        )
        blocks.append(Text(warning, "warning"))
    return blocks
