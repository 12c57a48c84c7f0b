"""Speed and memory beside PyKEEN: ComplEx of the same size on the same triples.

PyKEEN runs in a process of its own (`benchmarks.knowledge_pykeen`), each repetition
after one of vicinal's. Its epoch is that of LCWA training, with all entities in the
loss; ours draws a sample of them, and is also timed with all.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.measure import peak_memory_of
from vicinal.knowledge.answering.answers import answer
from vicinal.knowledge.completion.network_worker import OPTIONS
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.evaluation.ranking import filtered_ranks
from vicinal.knowledge.models.completion import (
    Completion,
    RuleModel,
    log_probabilities,
)
from vicinal.knowledge.models.embedding import ComplEx
from vicinal.knowledge.models.embedding_training import (
    Questions,
    TrainingOptions,
    train_embedding,
)
from vicinal.knowledge.models.path_network import PathNetwork
from vicinal.knowledge.triple_graph import TripleGraph

DIM, BATCH = 64, 512
PEER_BATCHES, OUR_BATCHES = 5, 60
"""batches of a repetition, from which the seconds of an epoch follow"""

PEER_QUERIES, OUR_QUERIES, SINGLE_QUERIES, TOP = 100, 4096, 100, 10
NETWORK_QUERIES = 1024
RANKED = 1000
"""test triples that are ranked where memory is measured"""


def run(data: str, table: TripleTable, python: str, repetitions: int) -> None:
    """Print the seconds and the megabytes of both, and their ratios."""
    peer, ours = Peer(python, data), Ours(table)
    works: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "epoch, CPU s": (lambda: ours.epoch(False), peer.epoch),
        "epoch with all entities": (lambda: ours.epoch(True), peer.epoch),
        "query, embedding alone, a batch": (ours.embedding_queries, peer.query),
        "query, rules and embedding, a batch": (ours.queries, peer.query),
        "query, rules and embedding, one by one": (ours.single_queries, peer.query),
        "query, with path network, a batch": (ours.network_queries, peer.query),
    }
    print(f"peer: dim {DIM}, batch {BATCH}, n = {repetitions}, alternating")
    memory = peer.ask("memory", RANKED)
    for with_rules in (False, True):
        used = _memory_of_evaluation(data, with_rules)
        name = "rules and embedding" if with_rules else "embedding alone"
        print(
            f"  memory of ranking {2 * RANKED:,} questions, {name}: {used:.0f} MB, "
            f"PyKEEN {memory['megabytes']:.0f} MB: {used / memory['megabytes']:.2f}",
            flush=True,
        )
    for name, (our_work, peer_work) in works.items():
        pairs = [(our_work(), peer_work()) for _ in range(repetitions)]
        own, others = zip(*pairs, strict=True)
        ratios = [b / a for a, b in pairs]
        print(
            f"  {name}: {_spread(own)}, PyKEEN {_spread(others)}; times as fast "
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
            flush=True,
        )
    peer.close()


def _spread(seconds: tuple[float, ...]) -> str:
    low, high = min(seconds), max(seconds)
    return f"{statistics.median(seconds):.4g} s ({low:.4g} to {high:.4g})"


class Peer:
    """PyKEEN in its process."""

    def __init__(self, python: str, data: str) -> None:
        words = [python, "-m", "benchmarks.knowledge_pykeen", data, str(DIM)]
        self._process = subprocess.Popen(
            [*words, str(BATCH)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )

    def ask(self, name: str, value: int) -> dict[str, Any]:
        """Return what a method of the peer returns."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, value]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def epoch(self) -> float:
        """Return the seconds of an epoch."""
        return self.ask("epoch", PEER_BATCHES)["seconds"]

    def query(self) -> float:
        """Return the seconds of a query."""
        found = self.ask("queries", PEER_QUERIES)
        return found["seconds"] / found["count"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Ours:
    """The same in vicinal."""

    def __init__(self, table: TripleTable) -> None:
        assert table.test is not None
        self.graph = TripleGraph(table.triples, table.num_entities, table.num_relations)
        self.count = len(Questions(self.graph))
        self.completion = with_embedding(self.graph)
        self.completion.rules.facts.mine_all()
        rng = np.random.default_rng(0)
        self.heads, self.relations, _ = rng.permutation(table.test)[:OUR_QUERIES].T
        self.queries()  # what is prepared once is not timed

    def epoch(self, all_entities: bool) -> float:
        """Return the seconds of an epoch, from those of some batches."""
        options = TrainingOptions(dim=DIM, batch=BATCH)
        if all_entities:
            options = options._replace(sampled=self.graph.num_entities)
        steps = train_embedding(self.graph, options, 1e9, 0)
        batches = OUR_BATCHES // 6 if all_entities else OUR_BATCHES
        next(steps)
        start = time.process_time()
        for _ in range(batches):
            next(steps)
        seconds = time.process_time() - start
        return seconds / batches * self.count / BATCH

    def embedding_queries(self) -> float:
        """Return the seconds of a query by the embedding alone."""
        embedding = self.completion.embedding
        assert embedding is not None
        start = time.process_time()
        with torch.inference_mode():
            for rows in np.array_split(np.arange(len(self.heads)), 32):
                heads, relations = self.heads[rows], self.relations[rows]
                scores = embedding(torch.tensor(heads), torch.tensor(relations))
                scores.topk(TOP, dim=1)
        return (time.process_time() - start) / len(self.heads)

    def queries(self) -> float:
        """Return the seconds of a query in a batch, with probabilities."""
        start = time.process_time()
        answer(self.completion, Calibrations(), self.heads, self.relations, TOP)
        return (time.process_time() - start) / len(self.heads)

    def network_queries(self) -> float:
        """Return the seconds of a query whose best answers a path network ranks."""
        network = PathNetwork(self.graph.num_directed, OPTIONS.dim, OPTIONS.num_layers)
        network.reset_parameters(torch.Generator().manual_seed(0))
        completion = replace(self.completion, network=network)
        own = self.heads[:NETWORK_QUERIES], self.relations[:NETWORK_QUERIES]
        start = time.process_time()
        answer(completion, Calibrations(), *own, TOP)
        return (time.process_time() - start) / NETWORK_QUERIES

    def single_queries(self) -> float:
        """Return the seconds of a query, asked one by one."""
        start = time.process_time()
        for k in range(SINGLE_QUERIES):
            own = slice(k, k + 1)
            answer(
                self.completion,
                Calibrations(),
                self.heads[own],
                self.relations[own],
                TOP,
            )
        return (time.process_time() - start) / SINGLE_QUERIES


def with_embedding(graph: TripleGraph) -> Completion:
    """Return the rules of a graph, and an embedding that is not trained."""
    embedding = ComplEx(graph.num_entities, graph.num_directed, DIM)
    embedding.reset_parameters(0.01, torch.Generator().manual_seed(0))
    return Completion(RuleModel.mine(graph, 0), embedding.requires_grad_(False))


# --- memory, in a process of its own -------------------------------------------------


def _memory_of_evaluation(data: str, with_rules: bool) -> float:
    """Return the megabytes that ranking takes over those before it."""
    words = [sys.executable, "-m", "benchmarks.knowledge_peer", data]
    words += ["rules"] * with_rules
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return float(found.stdout)


def main() -> None:
    torch.set_num_threads(1)
    table = read_triples(sys.argv[1])
    assert table.validation is not None and table.test is not None
    splits = table.triples, table.validation, table.test
    size = table.num_entities, table.num_relations
    known = TripleGraph(np.concatenate(splits), *size)
    completion = with_embedding(TripleGraph(table.triples, *size))
    tested = table.test[:RANKED]
    by_rules = len(sys.argv) > 2
    if by_rules:
        completion.rules.facts.mine_all()
    embedding = completion.embedding
    assert embedding is not None

    def score(heads: np.ndarray, relation: int) -> dict[str, np.ndarray]:
        if not by_rules:
            return {"embedding": log_probabilities(embedding, heads, relation)}
        own = completion.rules.heads(heads)
        return {"combination": completion.scores(own, relation).total}

    print(peak_memory_of(lambda: filtered_ranks(score, tested, known)))


if __name__ == "__main__":
    main()
