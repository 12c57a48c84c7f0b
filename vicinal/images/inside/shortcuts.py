"""The shortcut alarm: does a small part of the picture give the answer by itself?

A hospital's token in a corner, a photographer's stamp, the colour of one shop's table:
a network takes what tells the classes apart in the pictures it gets, and is useless
where that is missing (R. Geirhos et al. 2020, "Shortcut learning in deep neural
networks").

The test is a transplant. The picture is divided into cells. A cell of a picture of
class k, the donor, is put into the same place of a picture of another class, the host:

    share(k, cell) = how often the host is then called k

One cell of a thing does not make another thing; the mark of a shortcut does. Every cell
is tried with a few pairs, and what stands out is tried again with pairs that had no
part in the choice: only they count for the alarm, by Wilson's lower bound, above what
the same cell of other classes does.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vicinal.core.metrics import Score, accuracy, wilson

Answer = Callable[[Tensor], np.ndarray]
"""gives the class row [N] of pictures [N, C, H, W]"""

CELLS = 6
"""down and across; fewer where one would have less than two pixels"""

PAIRS = 96
"""transplants of each cell, in the first look"""

AGAIN = 60
"""transplants that confirm what stood out"""

TRIED = 6
"""cells and classes that are tried again, at most"""

SHARE = 0.25
"""of the hosts that follow a cell, from which on it is a shortcut"""

Z = 2.576
"""the normal law's 99.5 % point: what chance alone does in one of 200 tries"""

BATCH = 64


class Shortcut(NamedTuple):
    """A part of the picture that gives the answer by itself."""

    row: int
    """the class's"""
    name: str
    """the part, in words"""
    box: tuple[int, int, int, int]
    """first and last row and column of pixels"""
    followed: Score
    """share of hosts that are called by the donor's class"""
    anyway: float
    """the same where donors are of other classes: what any change does"""
    plain: Score
    """accuracy on these pictures"""
    covered: Score
    """accuracy when that part is from another picture, of whatever class"""
    hosts: list[int]
    """some pictures that followed, and"""
    donors: list[int]
    """those that the part was taken from"""


def find_shortcuts(
    answer: Answer, x: Tensor, y: np.ndarray, classes: int, seed: int = 0
) -> list[Shortcut]:
    """The shortcuts of a model on pictures x [N, C, H, W] of class rows y [N].

    Of pictures that it did not learn from: what it knows by heart is another matter.
    None where there are fewer than two classes with two pictures or more.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(y, minlength=classes)
    if (counts >= 2).sum() < 2:
        return []
    said = answered(answer, x)
    boxes = cells(x.shape[-2:])
    hits = np.zeros((len(boxes), classes))
    for cell, box in enumerate(boxes):
        hosts, donors = pairs(said, y, counts, PAIRS, rng)
        follows = transplanted(answer, x, hosts, donors, box) == y[donors]
        np.add.at(hits[cell], y[donors], follows)
    tried = np.maximum(1, PAIRS / max((counts >= 2).sum(), 1))
    order = np.argsort(-hits, axis=None)[:TRIED]
    found = []
    for cell, row in zip(*np.unravel_index(order, hits.shape), strict=True):
        if hits[cell, row] / tried < SHARE / 2:
            continue
        shortcut = _confirmed(answer, x, y, said, boxes[cell], int(row), rng)
        if shortcut is not None:
            found.append(shortcut)
    return found


def _confirmed(
    answer: Answer,
    x: Tensor,
    y: np.ndarray,
    said: np.ndarray,
    box: tuple[int, int, int, int],
    row: int,
    rng: np.random.Generator,
) -> Shortcut | None:
    """The same with new pairs of one class's donors; None where they do not follow."""
    hosts = np.flatnonzero((y != row) & (said != row))
    donors = np.flatnonzero((y == row) & (said == row))
    if not len(hosts) or not len(donors):
        return None
    hosts, donors = rng.choice(hosts, AGAIN), rng.choice(donors, AGAIN)
    follows = transplanted(answer, x, hosts, donors, box) == row
    count = int(follows.sum())
    strangers = rng.choice(np.flatnonzero(y != row), AGAIN)
    anyway = float((transplanted(answer, x, hosts, strangers, box) == row).mean())
    if wilson(count, AGAIN, Z)[0] < SHARE + anyway:
        return None
    others = rng.permutation(len(x))
    covered = transplanted(answer, x, np.arange(len(x)), others, box)
    shown = np.flatnonzero(follows)[:4]
    share = Score("followed", count / AGAIN, *wilson(count, AGAIN), AGAIN)
    return Shortcut(
        row,
        named(box, x.shape[-2:]),
        box,
        share,
        anyway,
        accuracy(y, said),
        accuracy(y, covered),
        hosts[shown].tolist(),
        donors[shown].tolist(),
    )


def pairs(
    said: np.ndarray,
    y: np.ndarray,
    counts: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Hosts and donors, each class giving as often; hosts are not called by it yet."""
    rows = np.flatnonzero(counts >= 2)
    hosts, donors = [], []
    for k in range(most):
        row = rows[k % len(rows)]
        others = np.flatnonzero((y != row) & (said != row))
        own = np.flatnonzero(y == row)
        if len(others):
            hosts.append(rng.choice(others))
            donors.append(rng.choice(own))
    return np.array(hosts, dtype=int), np.array(donors, dtype=int)


def transplanted(
    answer: Answer,
    x: Tensor,
    hosts: np.ndarray,
    donors: np.ndarray,
    box: tuple[int, int, int, int],
) -> np.ndarray:
    """Answers [P] for hosts [P] with a box of the donors in the same place."""
    top, bottom, left, right = box
    found = []
    for k in range(0, len(hosts), BATCH):
        mixed = x[hosts[k : k + BATCH]].clone()
        given = x[donors[k : k + BATCH]]
        mixed[..., top:bottom, left:right] = given[..., top:bottom, left:right]
        found.append(answer(mixed))
    return np.concatenate(found) if found else np.empty(0, dtype=int)


def answered(answer: Answer, x: Tensor) -> np.ndarray:
    return np.concatenate([answer(part) for part in x.split(BATCH)])


def cells(size: torch.Size) -> list[tuple[int, int, int, int]]:
    """Boxes (top, bottom, left, right) that divide a picture of H x W pixels."""
    height, width = size
    down, across = (max(1, min(CELLS, n // 2)) for n in (height, width))
    rows = np.linspace(0, height, down + 1).round().astype(int)
    columns = np.linspace(0, width, across + 1).round().astype(int)
    return [
        (int(rows[i]), int(rows[i + 1]), int(columns[j]), int(columns[j + 1]))
        for i in range(down)
        for j in range(across)
    ]


def named(box: tuple[int, int, int, int], size: torch.Size) -> str:
    """Where a box is: a corner, a border, or a place inside."""
    top, bottom, left, right = box
    height, width = size
    down = "top" if top == 0 else "bottom" if bottom == height else ""
    across = "left" if left == 0 else "right" if right == width else ""
    if down and across:
        return f"the {down} {across} corner"
    if down or across:
        return f"the {down or across} border, rows {top} to {bottom - 1}, columns " + (
            f"{left} to {right - 1}"
        )
    return f"a patch inside, rows {top} to {bottom - 1}, columns {left} to {right - 1}"


def told(found: list[Shortcut], classes: tuple[str, ...]) -> str:
    """What was found, in sentences."""
    if not found:
        return (
            "No part of the picture gives the answer by itself: a cell of one class, "
            "put into pictures of the others, does not make them that class."
        )
    lines = []
    for s in found:
        share, low, high = (100 * v for v in s.followed[1:4])
        lines.append(
            f"{s.name} of a picture of {classes[s.row]}, put into pictures of other "
            f"classes, makes {share:.0f} % [{low:.0f}, {high:.0f}] of them "
            f"{classes[s.row]}. With that part from other pictures "
            f"{s.covered.value:.1%} are right instead of {s.plain.value:.1%}."
        )
    return "Shortcut: " + " ".join(lines)
