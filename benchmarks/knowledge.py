"""Missing facts of a knowledge graph: accuracy, speed beside PyKEEN, new entities.

    python -m benchmarks.knowledge DATA_DIR [--peer PYTHON] [--minutes 3] [--parts ...]

DATA_DIR: train.txt, valid.txt and test.txt, such as FB15k-237 (K. Toutanova and D.
Chen 2015). PYTHON: of an environment that has PyKEEN. Parts:

completion   all test triples: rules, embedding, both together, popularity
peer         an epoch, queries, and the memory of an evaluation, beside PyKEEN
new          entities left out whole, answered from twelve facts each
reasons      right top answers with a reason, and removal of what reasons name
questions    questions of several facts
large        ten million generated triples (`benchmarks.knowledge_large`)

Seconds are CPU seconds of one thread, apart from the budget of the embedding, which is
wall-clock time.
"""

import argparse
import json
import time
from typing import NamedTuple

import torch

from benchmarks import (
    knowledge_large,
    knowledge_new,
    knowledge_peer,
    knowledge_questions,
    knowledge_reasons,
)
from benchmarks.measure import describe_machine
from vicinal.knowledge.completion.fitting import CompletionFit, CompletionScores
from vicinal.knowledge.completion.settings import CompletionSettings
from vicinal.knowledge.data.read import read_triples
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.evaluation.ranking import rank_scores
from vicinal.knowledge.evaluation.splits import TripleSplit

PARTS = ("completion", "peer", "new", "reasons", "questions", "large")
FITTED = {"completion", "reasons", "questions"}
"""parts that need an embedding"""

Z95 = 1.96


class Fitted(NamedTuple):
    """A completion that was fitted to the training triples."""

    fit: CompletionFit
    calibration: Calibrations
    scores: CompletionScores


def fit_completion(table: TripleTable, minutes: float, seed: int) -> Fitted:
    """Return a completion of the training triples; print what each step took."""
    assert table.validation is not None and table.test is not None
    fit = CompletionFit(
        TripleSplit(table.triples, table.validation, table.test),
        table.num_entities,
        table.num_relations,
        CompletionSettings(minutes=minutes),
        seed,
    )
    start = time.process_time()
    fit.mine()
    rules = time.process_time() - start
    for _ in fit.train():
        pass
    trained = time.process_time() - start - rules + fit.worker_seconds
    fit.combine()
    start = time.process_time()
    calibration, scores = fit.score()
    seconds = time.process_time() - start
    print(
        f"fit: rules mined and validated {rules:.1f} CPU s, training {trained:.1f}; "
        f"{2 * len(scores.tested):,} test rankings {seconds:.1f}",
        flush=True,
    )
    return Fitted(fit, calibration, scores)


def print_completion(fitted: Fitted) -> None:
    """Print the scores of each model on the test triples."""
    scores, weight = fitted.scores, fitted.fit.completion.weight
    print(
        f"completion: n = {2 * len(scores.tested):,} rankings, rules times {weight:g}"
    )
    for name, ranks in scores.ranks.items():
        found = rank_scores(ranks)
        means = (1 / ranks).mean(axis=0)
        error = means.std() / len(means) ** 0.5
        print(
            f"  {name:<20} MRR {found['mrr']:.4f} +- {Z95 * error:.4f}  hits@1 "
            f"{found['hits@1']:.4f}  hits@3 {found['hits@3']:.4f}  hits@10 "
            f"{found['hits@10']:.4f}  mean rank {found['mean_rank']:.0f}"
        )
    validation = ", ".join(f"{k} {v:.4f}" for k, v in scores.validation.items())
    print(f"  validation MRR: {validation}")
    print(f"  calibration error of the top answers {scores.calibration_error:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--peer", help="Python with PyKEEN")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("-n", type=int, default=5, help="repetitions beside PyKEEN")
    parser.add_argument(
        "--questions", type=int, default=300, help="of each shape, and for removal"
    )
    parser.add_argument("--large-triples", type=int, default=10_000_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe_machine()["processor"])
    table = read_triples(options.data)
    for seed in options.seeds:
        print(f"seed {seed}")
        if FITTED & {*options.parts}:
            fitted = fit_completion(table, options.minutes, seed)
            own = fitted.fit.completion, fitted.calibration
            if "completion" in options.parts:
                print_completion(fitted)
            if "reasons" in options.parts:
                known = fitted.fit.known
                knowledge_reasons.run(*own, known, table, options.questions, seed)
            if "questions" in options.parts:
                knowledge_questions.run(*own, table, options.questions, seed)
        if "new" in options.parts:
            knowledge_new.run(table, seed)
    if "peer" in options.parts:
        if options.peer is None:
            parser.error("--peer is needed for the part `peer`")
        knowledge_peer.run(options.data, table, options.peer, options.n)
    if "large" in options.parts:
        found = knowledge_large.run(options.large_triples, 1.0)
        print("large:", json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
