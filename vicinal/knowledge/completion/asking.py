"""Questions that a `TriplePredictor` is asked, and their answers as tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from vicinal.core.text import pluralize
from vicinal.errors import DataError, SettingError
from vicinal.knowledge.answering.answers import Answers, answer, truth_values
from vicinal.knowledge.answering.frames import answers_frame, solutions_frame
from vicinal.knowledge.answering.missing_facts import find_questions
from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.answering.query import solve
from vicinal.knowledge.answering.questions import TARGET, Fact
from vicinal.knowledge.completion.fitted_model import FittedTriples
from vicinal.knowledge.triple_graph import TripleGraph

MAX_QUESTIONS = 5000
"""questions that are asked to find missing facts"""

TOP_OF_QUESTION = 3
"""missing facts that one question may find"""


def check_top(top: int) -> None:
    """Raise SettingError for a number of answers below 1."""
    if top < 1:
        raise SettingError(f"top must be 1 or more. Got {top} instead.")


def answer_questions(
    model: FittedTriples,
    rows: Sequence[Sequence[str]],
    top: int,
    *,
    known: bool = True,
    new: NewEntities = NONE,
) -> pd.DataFrame:
    """Return the best answers to questions of one fact or several, as a table.

    rows: the words of each question. Those of one fact are answered at once. Raises
    DataError for unknown names and for what is not a question.
    """
    names = model.names.with_new(new.names)
    queries = [names.parse_query(_completed(row)) for row in rows]
    frames: dict[int, pd.DataFrame] = {}
    for k, facts in enumerate(queries):
        if len(facts) == 1 and not facts[0].variables:
            frames[k] = _fact_frame(model, facts[0], new)
    single = [
        k for k, facts in enumerate(queries) if len(facts) == 1 and k not in frames
    ]
    if single:
        heads, relations = np.array(
            [_directed(queries[k][0], model.graph) for k in single], np.int64
        ).T
        found = answer(
            model.completion,
            model.calibration,
            heads,
            relations,
            top,
            known=known,
            new=new,
        )
        table = answers_frame(model, heads, relations, found, known=known, new=new)
        if len(single) == len(queries):
            return table
        listed = np.ones(found.is_known.shape, bool) if known else ~found.is_known
        numbers = np.nonzero(listed)[0]
        for number in np.unique(numbers).tolist():
            frames[single[number]] = pd.DataFrame(table[numbers == number])
    for k, facts in enumerate(queries):
        if len(facts) > 1:
            solution = solve(model.completion, model.calibration, facts, new)
            text = " ".join(rows[k])
            frames[k] = solutions_frame(names, text, solution, top, known=known)
    return pd.concat([frames[k] for k in sorted(frames)], ignore_index=True)


def _fact_frame(model: FittedTriples, fact: Fact, new: NewEntities) -> pd.DataFrame:
    """Return the probability of a fact as a table of one answer."""
    head, relation, tail = fact
    assert isinstance(head, int) and isinstance(tail, int)
    if tail >= model.graph.num_entities:  # a new entity: asked from its side
        head, tail = tail, head
        relation = int(model.graph.inverse(np.array(relation)))
    if tail >= model.graph.num_entities:
        raise DataError(
            "A fact of two new entities has no probability: name one of the graph."
        )
    own = heads_of(model.completion.rules, [head], new)
    values, known = truth_values(model.completion, model.calibration, own, relation)
    found = Answers(
        np.array([[tail]]), values[:, [tail]].astype(float), known[:, [tail]]
    )
    asked = np.array([head]), np.array([relation])
    frame = answers_frame(model, *asked, found, new=new)
    fact_text = frame["head"] + " " + frame["relation"] + " " + frame["tail"]
    return frame.assign(question=fact_text)


def _completed(row: Sequence[str]) -> list[str]:
    """Return the words of a question; head and relation alone ask for the tail."""
    words = [str(word).strip() for word in row]
    return [*words, TARGET] if len(words) == 2 else words


def _directed(fact: Fact, graph: TripleGraph) -> tuple[int, int]:
    """Return (head, directed relation) of a question of one fact."""
    asked = [end for end in (fact.head, fact.tail) if end == TARGET]
    if len(asked) != 1 or len(fact.variables) != 1:
        raise DataError(
            "A question of one fact has one ?, at its head or at its tail. For "
            "example: paris capital_of ?"
        )
    if isinstance(fact.head, int):
        return fact.head, fact.relation
    assert isinstance(fact.tail, int)
    return fact.tail, int(graph.inverse(np.array(fact.relation)))


def missing_facts(
    model: FittedTriples, relation: str | None, top: int, seed: int = 0
) -> tuple[pd.DataFrame, list[str]]:
    """Return the most probable facts that a graph does not have, and notes.

    relation: the only one that is asked for; None: all. At most MAX_QUESTIONS are
    asked, which the notes say.
    """
    relations = np.arange(len(model.relations))
    if relation is not None:
        relations = np.array([model.names.relation(relation)])
    most = max(MAX_QUESTIONS // len(relations), 1)
    asked = find_questions(model.graph, relations, most, seed)
    notes = [
        f"{len(asked.heads):,} of {pluralize(asked.num_possible, 'question')} asked: "
        "of entities that may have several tails of a relation, or that lack one which "
        "most entities like them have"
    ]
    if not len(asked.heads):
        empty = np.zeros(0, np.int64)
        none = answer(
            model.completion, model.calibration, empty, empty, TOP_OF_QUESTION
        )
        return answers_frame(model, empty, empty, none), notes
    found = answer(
        model.completion,
        model.calibration,
        asked.heads,
        asked.relations,
        TOP_OF_QUESTION,
        known=False,
    )
    values = np.where(found.is_known, -1.0, found.probabilities)
    best = np.argsort(-values, axis=None, kind="stable")[:top]
    best = best[values.ravel()[best] > 0]
    rows, columns = np.unravel_index(best, values.shape)
    chosen = type(found)(*(part[rows, columns][:, None] for part in found))
    frame = answers_frame(model, asked.heads[rows], asked.relations[rows], chosen)
    return frame, notes
