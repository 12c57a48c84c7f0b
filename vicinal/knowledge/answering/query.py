"""Questions of several facts, answered over the same scores as single ones.

    ? directed alien                         one fact
    paris capital_of ?x and ?x member_of ?   two steps
    ? directed alien and ? born_in ?x and ?x member_of nato

The facts form a tree whose root is the entity that is asked for, `?`. Each entity has a
truth value, a probability; `and` multiplies, and of the entities that another variable
could be the one counts that gives the highest product (E. Arakelyan et al.: Complex
query answering with neural link predictors, ICLR 2021, CQD-Beam). Facts that are known
are certain.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from vicinal.knowledge.answering.answers import truth_values
from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.answering.questions import TARGET, Fact, check_query
from vicinal.knowledge.evaluation.calibration import Calibrations
from vicinal.knowledge.models.completion import Completion

BEAM = 16
"""entities that a variable may be, the most probable"""


class Solution(NamedTuple):
    """Truth values of all entities as answers, and the entities of other variables."""

    values: np.ndarray
    """[E]"""

    choices: dict[str, np.ndarray]
    """by variable: [E] which entity it is, for each answer; -1: none"""

    is_known: np.ndarray
    """[E] bool: every fact is known, for the entities chosen"""


def solve(
    completion: Completion,
    calibration: Calibrations,
    facts: Sequence[Fact],
    new: NewEntities = NONE,
) -> Solution:
    """Return the truth values of all entities as answers to a question.

    new: entities that the graph does not have, which facts may name. A path network is
    left out, as a question of several facts asks many single ones. Raises DataError if
    the facts do not form a tree (`check_query`).
    """
    check_query(facts)
    if completion.network is not None:
        completion = replace(completion, network=None)
        calibration = calibration._replace(known=calibration.without_network)
    return _Solver(completion, calibration, new).solve(list(facts), TARGET)


class _Solver:
    """Solves a tree of facts from its leaves to its root."""

    def __init__(
        self, completion: Completion, calibration: Calibrations, new: NewEntities
    ) -> None:
        self.completion, self.calibration, self.new = completion, calibration, new
        self.graph = completion.rules.graph

    def solve(self, facts: list[Fact], variable: str) -> Solution:
        """Return the solution of the part of a tree that hangs on a variable."""
        values = np.ones(self.graph.num_entities)
        is_known = np.ones(self.graph.num_entities, bool)
        choices: dict[str, np.ndarray] = {}
        for fact in [fact for fact in facts if variable in fact.variables]:
            rest = [own for own in facts if own is not fact]
            found = self._step(fact, rest, variable)
            values, is_known = values * found.values, is_known & found.is_known
            choices |= found.choices
        return Solution(values, choices, is_known)

    def _step(self, fact: Fact, rest: list[Fact], variable: str) -> Solution:
        """Return the truth values of the entities of a variable by one fact."""
        relation = fact.relation
        if fact.head == variable:  # asked from the tail
            relation = int(self.graph.inverse(np.array(relation)))
        other = fact.other(variable)
        if isinstance(other, int):
            values, is_known = self._truth(np.array([other]), relation)
            return Solution(values[0], {}, is_known[0])
        inner = self.solve(_part(rest, other, variable), other)
        values, chosen, is_known = self._known_step(inner.values, relation)
        beam = np.argsort(-inner.values, kind="stable")[:BEAM]
        beam = beam[inner.values[beam] > 0]
        if len(beam):
            found = self._truth(beam, relation)[0] * inner.values[beam, None]
            best = found.argmax(axis=0)
            found = found[best, np.arange(len(best))]
            is_better = found > values
            values = np.where(is_better, found, values)
            chosen = np.where(is_better, beam[best], chosen)
            is_known &= ~is_better
        choices = {
            name: np.where(chosen >= 0, own[chosen], -1)
            for name, own in inner.choices.items()
        }
        is_known &= inner.is_known[chosen]
        return Solution(values, choices | {other: chosen}, is_known)

    def _known_step(
        self, values: np.ndarray, relation: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best values [E] that known triples lead to, and from where.

        values: [E] of the heads. Second: [E] the head of each, -1 where there is none;
        third: [E] bool where there is one.
        """
        start, end = self.graph.relation_starts[relation : relation + 2]
        heads, _, tails = self.graph.directed[start:end].T
        order = np.lexsort((-heads, values[heads]))  # the best one is written last
        heads, tails = heads[order], tails[order]
        heads, tails = heads[values[heads] > 0], tails[values[heads] > 0]
        found, chosen = np.zeros_like(values), np.full(len(values), -1)
        found[tails], chosen[tails] = values[heads], heads
        return found, chosen, chosen >= 0

    def _truth(self, heads: np.ndarray, relation: int) -> tuple[np.ndarray, np.ndarray]:
        own = heads_of(self.completion.rules, heads, self.new)
        return truth_values(self.completion, self.calibration, own, relation)


def _part(facts: list[Fact], variable: str, without: str) -> list[Fact]:
    """Return the facts that hang on a variable, on the side away from another."""
    found, seen, todo = list[Fact](), {variable, without}, [variable]
    while todo:
        current = todo.pop()
        for fact in facts:
            if current in fact.variables and fact not in found:
                if without in fact.variables:
                    continue
                found.append(fact)
                new = [name for name in fact.variables if name not in seen]
                seen |= set(new)
                todo += new
    return found
