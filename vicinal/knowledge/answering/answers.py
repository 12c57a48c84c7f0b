"""Answers to questions (h, r, ?): known ones, and predictions with probabilities."""

from typing import NamedTuple

import numpy as np

from vicinal.knowledge.answering.new_entities import NONE, NewEntities, heads_of
from vicinal.knowledge.evaluation.calibration import Calibrations, answer_features
from vicinal.knowledge.models.completion import Completion, Heads


class Answers(NamedTuple):
    """The best answers to N questions, K for each."""

    entities: np.ndarray
    """[N, K] entities, the best first"""

    probabilities: np.ndarray
    """[N, K] calibrated, 1 where the answer is known"""

    is_known: np.ndarray
    """[N, K] bool"""


def answer(
    completion: Completion,
    calibration: Calibrations,
    heads: np.ndarray,
    relations: np.ndarray,
    top: int,
    *,
    known: bool = True,
    new: NewEntities = NONE,
) -> Answers:
    """Return the best answers to questions: heads [N] and directed relations [N].

    known: with those that are known, which come first. new: entities that the graph
    does not have, which may be heads; all answers are entities of the graph.
    """
    count = completion.rules.graph.num_entities
    top = min(top, count)
    found = Answers(
        np.zeros((len(heads), top), np.int64),
        np.zeros((len(heads), top)),
        np.zeros((len(heads), top), bool),
    )
    size = completion.rules.graph.questions_at_once
    is_new = heads >= count
    for relation in np.unique(relations).tolist():
        rows = np.flatnonzero((relations == relation) & ~is_new)
        blocks = np.array_split(rows, -(-len(rows) // size)) if len(rows) else []
        alone = np.flatnonzero((relations == relation) & is_new)
        for block in [*blocks, *alone[:, None]]:
            own = heads_of(completion.rules, heads[block], new)
            probabilities, is_known = truth_values(
                completion, calibration, own, relation
            )
            best = best_entities(probabilities, is_known, top, known=known)
            lines = np.arange(len(block))[:, None]
            found.entities[block] = best
            found.probabilities[block] = probabilities[lines, best]
            found.is_known[block] = is_known[lines, best]
    return found


def best_entities(
    probabilities: np.ndarray, is_known: np.ndarray, top: int, *, known: bool
) -> np.ndarray:
    """Return [N, top] the entities of the highest probabilities [N, E].

    known: those that are known come first; otherwise last.
    """
    order = probabilities + is_known * np.float32(1 if known else -2)
    best = np.argpartition(-order, top - 1, axis=1)[:, :top]
    values = np.take_along_axis(order, best, axis=1)
    return np.take_along_axis(best, np.argsort(-values, axis=1, kind="stable"), axis=1)


def truth_values(
    completion: Completion, calibration: Calibrations, heads: Heads, relation: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities [N, E] of all answers, and [N, E] which are known.

    Known answers have the probability 1.
    """
    found = completion.scores(heads, relation)
    is_known = heads.starts.reach([(relation,)]).toarray() > 0
    features = answer_features(found.total, found.by_rules, is_known)
    own = calibration.for_entity(is_new=heads.numbers is None)
    probabilities = own.probabilities(features)
    return np.where(is_known, 1.0, probabilities), is_known
