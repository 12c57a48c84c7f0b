"""`vicinal demo graphs`: nodes, edges and a look inside, on a real graph, offline.

Zachary's karate club (W. Zachary 1977, "An information flow model for conflict and
fission in small groups") ships with NetworkX: 34 members, 78 friendships, and a quarrel
between the instructor (member 0) and the president (33) after which the club broke in
two. Who went where is known of everybody; here it is told of the two alone.
"""

import time
from typing import Any

import numpy as np

from vicinal.core.report.console import Console
from vicinal.core.text import percent
from vicinal.graphs.data.graph_table import GraphTable
from vicinal.graphs.data.read import read_graph
from vicinal.graphs.data.statistics import facts_of, told
from vicinal.graphs.explain.contributions import of_model
from vicinal.graphs.link_predictor import LinkPredictor
from vicinal.graphs.node_estimators import NodeClassifier

LEADERS = ("0", "33")
SEEDS = 10
"""divisions of the friendships"""


def club() -> GraphTable:
    """The club; of the leaders the side is for learning, of the others for the test."""
    import networkx as nx

    table = read_graph(nx.karate_club_graph(), target="club")
    split = np.where(np.isin(table.ids, LEADERS), "train", "test")
    return table.having(split=split)


def run_demo(voice: Console, *, seeds: int = SEEDS) -> dict[str, Any]:
    """The three parts; returns the figures."""
    started_at, table = time.monotonic(), club()
    voice.say("A karate club, whose members quarrelled and parted:")
    for line in told(table, facts_of(table)):
        voice.say(f"  {line}")
    nodes = _nodes(table, voice)
    edges = _edges(table, voice, seeds)
    inside = _inside(nodes.pop("model"), voice)
    voice.say(
        "\nNow with a graph of your own, two tables in one folder:\n"
        "  vicinal check FOLDER      what it is, and what cannot be used\n"
        "  vicinal train FOLDER      a tested model and a report\n"
        "  vicinal explain RUN NODE  what an answer rests on"
    )
    return {
        "score": nodes["score"],
        "baselines": nodes["baselines"],
        "edges": edges,
        "inside": inside,
        "seconds": round(time.monotonic() - started_at, 2),
    }


def _nodes(table: GraphTable, voice: Console) -> dict[str, Any]:
    """Which side each member takes, told of the two leaders alone."""
    model = NodeClassifier(network="none", val_fraction=0.0).fit(table)
    found = model.evaluate()
    told = found.predictions
    wrong = told[told["label"] != told["predicted"]]
    voice.say(
        f"\nNodes. Told the sides of two leaders, it says the others': {found.score}."
        f"\n  wrong: {', '.join(wrong['id']) or 'nobody'}"
    )
    for name, score in found.baselines.items():
        voice.say(f"  to beat: {name} {score}")
    return {
        "model": model,
        "score": found.score.to_dict(),
        "baselines": {k: s.to_dict() for k, s in found.baselines.items()},
    }


def _edges(table: GraphTable, voice: Console, seeds: int) -> dict[str, Any]:
    """Who is friends with whom: a fifth of the friendships held out, time and again."""
    scores: dict[str, list[float]] = {}
    for seed in range(seeds):
        model = LinkPredictor(random_state=seed, test_fraction=0.2, val_fraction=0.0)
        found = model.fit(table).evaluate()
        for name, score in {"vicinal": found.score, **found.baselines}.items():
            scores.setdefault(name, []).append(score.value)
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    voice.say(
        f"\nEdges. A fifth of the friendships held out, {seeds} times; the chance that "
        "one is ranked above two who are no friends:"
    )
    for name, mean in means.items():
        spread = np.std(scores[name], ddof=1) if seeds > 1 else 0.0
        voice.say(f"  {name:<18} {mean:.3f} +- {spread:.3f}")
    best = LinkPredictor(test_fraction=0.0, val_fraction=0.0).fit(table).most_likely(3)
    pairs = zip(best["source"], best["target"], best["chance"], strict=True)
    said = ", ".join(f"{a} and {b} ({100 * p:.0f} %)" for a, b, p in pairs)
    share = percent(table.num_edges / (len(table) * (len(table) - 1) / 2))
    voice.say(
        f"  who might become friends: {said}\n"
        f"  (chances among pairs of which half are friends; of all pairs {share} are)"
    )
    return {"auroc": means, "n": seeds, "most_likely": best.to_dict("records")}


def _inside(model: NodeClassifier, voice: Console) -> dict[str, Any]:
    """One answer, taken apart: of the member who is least sure."""
    p = model.predict_proba()
    row = int(np.argmin(np.abs(p[:, 0] - 0.5)))
    name = str(model.graph_.ids[row])
    found = of_model(model, name)
    classes = model.objective_.classes
    voice.say(
        f"\nInside. It is least sure of member {name} ({classes[0]} "
        f"{100 * p[row, 0]:.0f} %). The answer is a mean of what {len(found.parts)} "
        "members say; those that count most:"
    )
    for part in found.parts[:5]:
        how = "known" if part.known else "as it looks"
        side = classes[int(part.says.argmax())]
        who = model.graph_.ids[part.node]
        voice.say(f"  member {who:<3} {100 * part.share:5.1f} %   {side} ({how})")
    voice.say(f"  together they make the answer, but for {found.off:.0e}")
    return {"node": name, "off": found.off, "parts": len(found.parts)}
