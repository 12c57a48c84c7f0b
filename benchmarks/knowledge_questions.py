"""Questions of several facts, drawn from a graph, and how their answers are ranked.

Questions are drawn backwards from an answer, triple by triple, all triples of an entity
alike; a question is used if this answer follows only with a held-out triple. So the
questions of one fact are those of the held-out triples. `by_relation`: first one of the
relations of an entity, then one of its triples, as in H. Ren and J. Leskovec: Beta
embeddings for multi-hop logical reasoning in knowledge graphs, NeurIPS 2020, where rare
relations are as frequent as others.

All answers that follow only with a held-out triple are ranked, each without the other
true answers; scores are means over the answers of a question, then over questions.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from vicinal.knowledge.answering.query import TARGET, Fact, solve
from vicinal.knowledge.data.triple_table import TripleTable
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.models.completion import Completion, RuleModel
from vicinal.knowledge.triple_graph import TripleGraph

Shape = tuple[Any, ...]
"""the shapes of the branches that meet in an entity; (): the entity is given"""

GIVEN: Shape = ()
SHAPES: dict[str, Shape] = {
    "1p": (GIVEN,),
    "2p": ((GIVEN,),),
    "3p": (((GIVEN,),),),
    "2i": (GIVEN, GIVEN),
    "3i": (GIVEN, GIVEN, GIVEN),
    "ip": ((GIVEN, GIVEN),),
    "pi": ((GIVEN,), GIVEN),
}
"""p: a step along a relation; i: an intersection of what several facts allow"""

MAX_ANSWERS = 100
"""true answers of a question; those with more are not used"""


class Node(NamedTuple):
    """An entity of a question: a given one, or what several branches lead to."""

    entity: int
    """that it was drawn from"""

    branches: tuple[tuple["Node", int], ...]
    """(node, directed relation that leads from it to this one); none: it is given"""


class Question(NamedTuple):
    """A question with the answers that are ranked."""

    facts: list[Fact]
    hard: np.ndarray
    """answers that need a held-out triple"""

    true: np.ndarray
    """all answers"""


class Sampler:
    """Draws questions with answers that are true in one graph and not in another."""

    def __init__(
        self,
        known: TripleGraph,
        full: TripleGraph,
        seed: int,
        *,
        by_relation: bool = False,
    ) -> None:
        self.known, self.full, self.by_relation = known, full, by_relation
        self._rng = np.random.default_rng(seed)
        heads, relations, tails = full.directed.T
        order = np.lexsort((relations, heads))
        self._relations, self._tails = relations[order], tails[order]
        self._starts = np.searchsorted(
            heads[order], np.arange(full.num_entities + 1)
        ).tolist()

    def questions(self, shape: Shape, count: int) -> list[Question]:
        """Return different questions of a shape."""
        found: dict[tuple[Fact, ...], Question] = {}
        while len(found) < count:
            question = self._draw_question(shape)
            if question is not None:
                found[tuple(question.facts)] = question
        return [*found.values()]

    def _draw_question(self, shape: Shape) -> Question | None:
        if self.by_relation:
            answer = int(self._rng.integers(self.full.num_entities))
        else:
            row = self._rng.integers(len(self.full.directed))
            answer = int(self.full.directed[row, 0])
        root = self._draw(shape, answer, None)
        if root is None:
            return None
        true = answers(self.full, root)
        if len(true) > MAX_ANSWERS:
            return None
        hard = np.setdiff1d(true, answers(self.known, root))
        is_used = len(hard) if self.by_relation else answer in hard
        return Question([*facts_of(root, TARGET)], hard, true) if is_used else None

    def _draw(self, shape: Shape, entity: int, previous: int | None) -> Node | None:
        """Return a node; None where branches are the same or lead back."""
        branches = []
        for inner in shape:
            start, end = self._starts[entity : entity + 2]
            if start == end:
                return None
            row = int(self._rng.integers(start, end))
            if self.by_relation:
                own = self._relations[start:end]
                kind = self._rng.choice(np.unique(own))
                low, high = np.searchsorted(own, [kind, kind + 1])
                row = start + int(self._rng.integers(low, high))
            kind, other = self._relations[row], int(self._tails[row])
            node = self._draw(inner, other, entity)
            if node is None or other == previous:
                return None
            branches.append((node, int(self.full.inverse(kind))))
        if len({(node.entity, relation) for node, relation in branches}) < len(shape):
            return None
        return Node(entity, tuple(branches))


def answers(graph: TripleGraph, node: Node) -> np.ndarray:
    """Return the entities that a node may be by the triples of a graph, ascending."""
    if not node.branches:
        return np.array([node.entity])
    found: np.ndarray | None = None
    for inner, relation in node.branches:
        heads = answers(graph, inner)
        tails = np.unique(graph.answers(heads, np.full(len(heads), relation))[1])
        found = tails if found is None else np.intersect1d(found, tails)
    assert found is not None
    return found


def facts_of(node: Node, variable: str) -> Iterator[Fact]:
    """Yield the facts of a question whose root is a variable."""
    for number, (inner, relation) in enumerate(node.branches):
        other = f"{variable}x{number}" if inner.branches else inner.entity
        yield Fact(other, relation, variable)
        if isinstance(other, str):
            yield from facts_of(inner, other)


def ranks(values: np.ndarray, question: Question) -> np.ndarray:
    """Return the filtered ranks of the hard answers; ties have the mean rank."""
    others = np.delete(values, question.true)
    own = values[question.hard, None]
    return 1 + (others > own).sum(axis=1) + (others == own).sum(axis=1) / 2


class QuestionScores(NamedTuple):
    """How the hard answers of questions were ranked."""

    mrr: float
    hits3: float
    error: float
    """standard error of hits@3"""

    num_answers: int
    per_second: float
    """questions in a CPU second"""


def score_questions(
    completion: Completion, calibration: Calibrations, questions: list[Question]
) -> QuestionScores:
    """Return the scores of questions."""
    start, found = time.process_time(), []
    for question in questions:
        values = solve(completion, calibration, question.facts).values
        found.append(ranks(values, question))
    seconds = time.process_time() - start
    hits = np.array([(own <= 3).mean() for own in found])
    return QuestionScores(
        float(np.mean([(1 / own).mean() for own in found])),
        float(hits.mean()),
        float(hits.std(ddof=1) / len(hits) ** 0.5),
        sum(map(len, found)),
        len(questions) / seconds,
    )


def run(
    completion: Completion,
    calibration: Calibrations,
    table: TripleTable,
    count: int,
    seed: int,
    *,
    validation: bool = False,
) -> None:
    """Print the scores of questions that need a test triple.

    Training and validation triples are known. validation: questions that need a
    validation triple, by training triples alone.
    """
    assert table.validation is not None and table.test is not None
    splits = [table.triples, table.validation, table.test]
    size = table.num_entities, table.num_relations
    known = TripleGraph(np.concatenate(splits[: 1 if validation else 2]), *size)
    full = TripleGraph(np.concatenate(splits[: 2 if validation else 3]), *size)
    own = replace(completion, rules=RuleModel.mine(known, seed))
    own.rules.facts.mine_all()
    for by_relation in (False, True):
        how = "relation by relation" if by_relation else "triple by triple"
        print(f"questions, drawn {how}: n = {count} of each shape")
        sampler = Sampler(known, full, seed, by_relation=by_relation)
        for name, shape in SHAPES.items():
            found = score_questions(own, calibration, sampler.questions(shape, count))
            print(
                f"  {name}: MRR {found.mrr:.4f}  hits@3 {found.hits3:.4f} (se "
                f"{found.error:.4f})  {found.num_answers:,} answers ranked, "
                f"{found.per_second:.1f} questions a CPU s",
                flush=True,
            )
