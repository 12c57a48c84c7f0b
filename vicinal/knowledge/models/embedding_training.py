"""Training of ComplEx: cross-entropy over entities, grouped by question.

A question (h, r, ?) with n known answers has the loss

    n log(sum_e exp(score(h, r, e))) - sum_answers score(h, r, answer)

which is that of its n triples, with one product for all of them. The sum over entities
is that over the answers of the batch and a sample of the others, which stand for those
that were not drawn (S. Jean et al.: On using very large target vocabulary for neural
machine translation, ACL 2015, section 3). N3 is the penalty, and Adagrad's accumulator
starts at 0: from 1e-10 the first steps stall where most rows are rarely drawn.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.knowledge.models.embedding import ComplEx, cubed_norm, rotate
from vicinal.knowledge.models.training_options import TrainingOptions
from vicinal.knowledge.triple_graph import TripleGraph


class Adagrad:
    """Adagrad on some rows of a matrix (J. Duchi et al., JMLR 2011)."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.sums = values, torch.zeros_like(values)

    def step(self, rows: Tensor, gradients: Tensor, lr: float) -> None:
        """Update different rows [M] by their gradients [M, D]."""
        sums = self.sums[rows].addcmul_(gradients, gradients)
        self.sums[rows] = sums
        self.values[rows] -= lr * gradients / (sums.sqrt() + 1e-10)


class Questions:
    """The different questions of a graph, with their known answers."""

    def __init__(self, graph: TripleGraph) -> None:
        heads, relations, tails = graph.directed.T
        new = np.flatnonzero(np.r_[True, (np.diff(heads) | np.diff(relations)) != 0])
        self.heads, self.relations = heads[new].astype(np.int64), relations[new]
        self.starts, self.tails = np.r_[new, len(heads)], tails

    def __len__(self) -> int:
        return len(self.heads)

    def answers(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (row in `numbers`, tail) of each answer to some questions."""
        counts = np.diff(self.starts)[numbers]
        rows = np.repeat(np.arange(len(numbers)), counts)
        first = np.repeat(self.starts[numbers] - (np.cumsum(counts) - counts), counts)
        return rows, self.tails[first + np.arange(len(rows))]


class Step(NamedTuple):
    """State of a training after a step."""

    model: ComplEx
    done: float
    """share of the time"""

    loss: float
    """of the step, for each answer"""

    lr: float


def train_embedding(
    graph: TripleGraph, options: TrainingOptions, seconds: float, seed: int
) -> Iterator[Step]:
    """Yield the state after each step, until time is up; at least one step is made.

    The learning rate falls linearly to 0 over the budget.
    """
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = ComplEx(graph.num_entities, graph.num_directed, options.dim)
    model.reset_parameters(options.scale, generator)
    entities, relations = Adagrad(model.entities.data), Adagrad(model.relations.data)
    questions, start, steps = Questions(graph), time.perf_counter(), 0
    while True:
        order = rng.permutation(len(questions))
        for first in range(0, len(order), options.batch):
            done = (time.perf_counter() - start) / seconds
            if done >= 1 and steps:
                return
            numbers = order[first : first + options.batch]
            batch = Batch.draw(questions, numbers, graph.num_entities, options, rng)
            rows = torch.from_numpy(batch.entities)
            own = torch.from_numpy(batch.relations)
            x = entities.values[rows].requires_grad_()
            w = relations.values[own].requires_grad_()
            loss = batch.loss(x, w, options.n3)
            loss.backward()
            lr, steps = options.lr * max(1 - done, 0.0), steps + 1
            assert x.grad is not None and w.grad is not None
            entities.step(rows, x.grad, lr)
            relations.step(own, w.grad, lr)
            yield Step(model, done, float(loss.detach()) / batch.num_answers, lr)


class Batch(NamedTuple):
    """Questions of a step, with rows of the entities that it uses."""

    entities: np.ndarray
    """[M] different entities: heads and candidates"""

    relations: np.ndarray
    """[K] different relations"""

    heads: np.ndarray
    """[Q] of each question, as rows of `entities`"""

    kinds: np.ndarray
    """[Q] of each question, as rows of `relations`"""

    candidates: np.ndarray
    """[C] rows of `entities`"""

    weights: np.ndarray
    """[C] log of the number of entities that each candidate stands for"""

    rows: np.ndarray
    """[A] the question of each answer"""

    answers: np.ndarray
    """[A] its row in `candidates`"""

    @property
    def num_answers(self) -> int:
        """Return the number of known answers."""
        return len(self.rows)

    @classmethod
    def draw(
        cls,
        questions: Questions,
        numbers: np.ndarray,
        num_entities: int,
        options: TrainingOptions,
        rng: np.random.Generator,
    ) -> "Batch":
        """Return questions with their answers, and a sample of other entities."""
        rows, tails = questions.answers(numbers)
        heads = questions.heads[numbers]
        is_answer = np.zeros(num_entities, bool)
        is_answer[tails] = True
        others = np.flatnonzero(~is_answer)
        drawn = others
        if len(others) > options.sampled:
            drawn = others[rng.integers(len(others), size=options.sampled)]
            drawn = np.unique(drawn)
        candidates = np.concatenate([np.flatnonzero(is_answer), drawn])
        weights = np.zeros(len(candidates), np.float32)
        if len(drawn):
            weights[len(candidates) - len(drawn) :] = np.log(len(others) / len(drawn))
        entities, places = np.unique(
            np.concatenate([candidates, heads]), return_inverse=True
        )
        relations, kinds = np.unique(
            questions.relations[numbers].astype(np.int64), return_inverse=True
        )
        place = np.empty(num_entities, np.int64)
        place[candidates] = np.arange(len(candidates))
        return cls(
            entities,
            relations,
            places[len(candidates) :],
            kinds,
            places[: len(candidates)],
            weights,
            rows,
            place[tails],
        )

    def loss(self, entities: Tensor, relations: Tensor, n3: float) -> Tensor:
        """Return the loss, summed over the answers, of vectors [M, 2d] and [K, 2d]."""
        heads, own = entities[self.heads], relations[self.kinds]
        tails = entities[self.candidates]
        logits = rotate(heads, own) @ tails.T
        rows, answers = torch.from_numpy(self.rows), torch.from_numpy(self.answers)
        counts = torch.bincount(rows, minlength=len(heads)).float()
        right = logits[rows, answers].sum()
        total = torch.logsumexp(logits + torch.from_numpy(self.weights), dim=1)
        of_answers = torch.bincount(answers, minlength=len(tails)).float()
        penalty = counts @ (
            cubed_norm(heads) + cubed_norm(own)
        ) + of_answers @ cubed_norm(tails)
        return counts @ total - right + n3 / 3 * penalty
