"""`vicinal demo graphs`: node classification, link prediction and an explanation.

Uses Zachary's karate club, which comes with NetworkX (W. Zachary 1977, "An information
flow model for conflict and fission in small groups"); no download. The club has 34
members and 78 friendships; it split in two after a conflict between the instructor
(member 0) and the president (member 33). Only these two have training labels.
"""

import time
from typing import Any

import numpy as np

from vicinal.core.report.console import Console
from vicinal.core.text import format_percent
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.statistics import describe_graph, graph_statistics
from vicinal.graphs.explain.contributions import node_contributions
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier

LEADERS = ("0", "33")
SEEDS = 10
"""random splits of the friendships"""

TEST_FRACTION = 0.2


def load_karate_club() -> GraphTable:
    """Return the club; the two leaders are the training split, the others the test."""
    import networkx as nx

    table = read_graph(nx.karate_club_graph(), target="club")
    split = np.where(np.isin(table.ids, LEADERS), "train", "test")
    return table.replace(split=split)


def run_demo(console: Console, *, seeds: int = SEEDS) -> dict[str, Any]:
    """Run the three parts and return their scores."""
    started_at, table = time.monotonic(), load_karate_club()
    console.print("Zachary's karate club, which split in two after a conflict:")
    for line in describe_graph(table, graph_statistics(table)):
        console.print(f"  {line}")
    model = NodeClassifier(network="none", val_fraction=0.0).fit(table)
    nodes = classify_nodes(model, console)
    links = predict_links(table, console, seeds)
    explanation = explain_prediction(model, console)
    console.print(
        "\nNext, your own graph, as nodes.csv and edges.csv in one directory:\n"
        "  vicinal check DATA        statistics, and rows that cannot be used\n"
        "  vicinal train DATA        a tested model and a report\n"
        "  vicinal explain RUN NODE  why a node gets its prediction"
    )
    return {
        **nodes,
        "links": links,
        "explanation": explanation,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def classify_nodes(model: NodeClassifier, console: Console) -> dict[str, Any]:
    """Score the sides predicted from the two leaders' labels."""
    evaluation = model.evaluate()
    frame = evaluation.predictions
    wrong = frame[frame["label"] != frame["predicted"]]
    console.print(
        f"\nNode classification, trained on 2 labels. Test: {evaluation.score}"
        f"\n  misclassified members: {', '.join(wrong['id']) or 'none'}"
    )
    for name, score in evaluation.baselines.items():
        console.print(f"  baseline {name}: {score}")
    return {
        "score": evaluation.score.to_dict(),
        "baselines": {k: s.to_dict() for k, s in evaluation.baselines.items()},
    }


def predict_links(table: GraphTable, console: Console, seeds: int) -> dict[str, Any]:
    """Score held-out friendships over several random splits, and suggest new ones."""
    scores: dict[str, list[float]] = {}
    for seed in range(seeds):
        model = LinkPredictor(
            random_state=seed, test_fraction=TEST_FRACTION, val_fraction=0.0
        )
        evaluation = model.fit(table).evaluate()
        for name, score in {
            "vicinal": evaluation.score,
            **evaluation.baselines,
        }.items():
            scores.setdefault(name, []).append(score.value)
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    console.print(
        f"\nLink prediction: AUROC on {100 * TEST_FRACTION:.0f} % held-out friendships"
        f"\n(mean +- standard deviation of {seeds} random splits):"
    )
    for name, mean in means.items():
        std = np.std(scores[name], ddof=1) if seeds > 1 else 0.0
        console.print(f"  {name:<18} {mean:.3f} +- {std:.3f}")
    model = LinkPredictor(test_fraction=0.0, val_fraction=0.0).fit(table)
    best = model.most_likely(3)
    pairs = zip(best["source"], best["target"], best["probability"], strict=True)
    names = ", ".join(f"{a} and {b} ({100 * p:.0f} %)" for a, b, p in pairs)
    density = format_percent(table.num_edges / (len(table) * (len(table) - 1) / 2))
    console.print(
        f"  most likely new friendships: {names}\n"
        "  (probabilities assume that half of the pairs are friends; in the club it is "
        f"{density})"
    )
    return {"auroc": means, "n": seeds, "most_likely": best.to_dict("records")}


def explain_prediction(model: NodeClassifier, console: Console) -> dict[str, Any]:
    """Show the contributions of members to the least certain prediction."""
    p = model.predict_proba()
    row = int(np.argmin(np.abs(p[:, 0] - 0.5)))
    ids, classes = model.graph_.ids, model.objective_.classes
    name = str(ids[row])
    contributions = node_contributions(model, name)
    console.print(
        f"\nExplanation of the least certain prediction: member {name}, {classes[0]} "
        f"{100 * p[row, 0]:.0f} %.\nIt is a weighted mean over "
        f"{len(contributions.nodes)} members. The largest weights:"
    )
    for part in contributions.nodes[:5]:
        side = classes[int(part.values.argmax())]
        source = "training label" if part.is_labelled else "predicted"
        member = ids[part.node]
        console.print(
            f"  member {member:<3} {100 * part.share:5.1f} %   {side} ({source})"
        )
    console.print(
        "  all contributions add up to the prediction, with an error of "
        f"{contributions.max_error:.0e}"
    )
    return {
        "node": name,
        "max_error": contributions.max_error,
        "nodes": len(contributions.nodes),
    }
