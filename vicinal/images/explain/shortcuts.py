"""The shortcut alarm: does a small part of the picture give the answer by itself?

A hospital's token in a corner, a photographer's stamp, the colour of one shop's table:
a network takes what tells the classes apart in the pictures it gets, and is useless
where that is missing (R. Geirhos et al. 2020, "Shortcut learning in deep neural
networks").

The test is a transplant. The picture is divided into cells; its rim and its corners are
parts too. A part of one picture, the donor, is put into the same place of another, the
host. Two things tell of a shortcut to class k::

    gives:   donors of class k make hosts of other classes k
             (beside: donors of other classes)
    needed:  donors of other classes make hosts of class k something else
             (beside: donors of class k, which bring what is always there)

One cell of a thing does not make another thing; the mark of a shortcut does. A thing
may well need its middle, which all pictures of zeros have empty: what is needed is
looked for in cells along the rim alone, where things seldom lie. Every part is tried
with a few pairs, and what stands out is tried again with pairs that had no share in the
choice: only they count for the alarm, by Wilson's lower bound, above what the pairs
beside do.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from vicinal.core.metrics import Score, accuracy, wilson

Answer = Callable[[np.ndarray], np.ndarray]
"""gives the class row [N] of pictures [N, H, W, C]"""

CELLS = 6
"""down and across; fewer where one would have less than two pixels"""

PAIRS, EACH = 96, 8
"""transplants of each part in the first look: so many, or so many for each class"""

MOST_PAIRS = 480

THIN = 1 / 24
"""of the side: a frame is thin, and a broad one holds much of what fills the picture"""

AGAIN = 60
"""transplants that confirm what stood out"""

TRIED = 6
"""parts and classes that are tried again, at most"""

SHARE = 0.25
"""of the hosts that change with a part, from which on it is a shortcut"""

Z = 2.576
"""the normal law's 99.5 % point: what chance alone does in one of 200 tries"""

BATCH = 64


class Part(NamedTuple):
    """A part of the picture."""

    name: str
    mask: np.ndarray
    """[H, W]: whether a pixel is in it"""
    whole: bool = False
    """whether it is more than a cell: things reach into it"""

    @property
    def at_the_rim(self) -> bool:
        m = self.mask
        return bool(m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any())


Kind = Literal["gives", "needed"]
KINDS: tuple[Kind, ...] = "gives", "needed"


class Shortcut(NamedTuple):
    """A part of the picture that an answer stands or falls with."""

    row: int
    """the class's"""
    kind: Kind
    part: Part
    changed: Score
    """share of hosts that became the class (gives), or ceased to be it (needed)"""
    anyway: float
    """the same with the donors beside: what any change does"""
    plain: Score
    """accuracy on these pictures"""
    covered: Score
    """accuracy when that part is from another picture, of whatever class"""
    hosts: list[int]
    """some pictures that changed, and"""
    donors: list[int]
    """those that the part was taken from"""


class _Seen(NamedTuple):
    """Pictures [N, H, W, C], their class rows [N], and what is said of them."""

    answer: Answer
    x: np.ndarray
    y: np.ndarray
    said: np.ndarray

    def pairs(
        self, kind: Kind, row: int, count: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hosts, donors, and donors beside them, [count] each; none if there are none.

        A host is one that can change: not called by the class yet, or called by it.
        """
        own, others = self.y == row, self.y != row
        called = self.said == row
        hosts = others & ~called if kind == "gives" else own & called
        donors = own & called if kind == "gives" else others
        beside = others if kind == "gives" else own
        found = [np.flatnonzero(some) for some in (hosts, donors, beside)]
        if not all(map(len, found)):
            none = np.empty(0, dtype=int)
            return none, none, none
        one, two, three = (rng.choice(some, count) for some in found)
        return one, two, three

    def changed(
        self, kind: Kind, row: int, hosts: np.ndarray, donors: np.ndarray, part: Part
    ) -> np.ndarray:
        """Whether each host [P] changed as the kind has it."""
        said = transplanted(self.answer, self.x, hosts, donors, part.mask)
        return (said == row) == (kind == "gives")


def find_shortcuts(
    answer: Answer,
    x: np.ndarray,
    y: np.ndarray,
    classes: int,
    seed: int = 0,
    said: np.ndarray | None = None,
) -> list[Shortcut]:
    """The shortcuts of a model on pictures x [N, H, W, C] of class rows y [N].

    Of pictures that it did not learn from: what it knows by heart is another matter.
    None where there are fewer than two classes with two pictures or more. said: [N]
    what the model answers, where that is known already.
    """
    rng = np.random.default_rng(seed)
    able = np.flatnonzero(np.bincount(y, minlength=classes) >= 2)
    if len(able) < 2:
        return []
    seen = _Seen(answer, x, y, answered(answer, x) if said is None else said)
    parts = parts_of(x.shape[1:3])
    found = []
    for kind in KINDS:
        if kind == "needed":
            parts = [part for part in parts if part.at_the_rim and not part.whole]
        shares = np.array([_first_look(seen, kind, part, able, rng) for part in parts])
        areas = np.repeat([part.mask.sum() for part in parts], len(able))
        order = np.lexsort((areas, -shares.ravel()))[:TRIED]  # of two, the smaller
        for place, k in zip(*np.unravel_index(order, shares.shape), strict=True):
            if shares[place, k] >= SHARE / 2:
                found += _confirmed(seen, kind, parts[place], int(able[k]), rng)
    return [s for s in found if not _is_in(s, found)]


def _first_look(
    seen: _Seen, kind: Kind, part: Part, able: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The share of hosts that changed, for each class that is able."""
    each = min(max(PAIRS // len(able), EACH), max(1, MOST_PAIRS // len(able)))
    drawn = [seen.pairs(kind, int(row), each, rng) for row in able]
    hosts, donors = (np.concatenate([d[k] for d in drawn]) for k in (0, 1))
    said = transplanted(seen.answer, seen.x, hosts, donors, part.mask)
    ends = np.cumsum([len(d[0]) for d in drawn])[:-1]
    told = zip(np.split(said, ends), able, strict=True)
    return np.array(
        [
            ((own == row) == (kind == "gives")).mean() if len(own) else 0.0
            for own, row in told
        ]
    )


def _confirmed(
    seen: _Seen, kind: Kind, part: Part, row: int, rng: np.random.Generator
) -> list[Shortcut]:
    """The shortcut, tried with new pairs; none where they do not change."""
    hosts, donors, beside = seen.pairs(kind, row, AGAIN, rng)
    if not len(hosts):
        return []
    changed = seen.changed(kind, row, hosts, donors, part)
    anyway = float(seen.changed(kind, row, hosts, beside, part).mean())
    count = int(changed.sum())
    if wilson(count, AGAIN, Z)[0] < SHARE + anyway:
        return []
    shown = np.unique(hosts[changed], return_index=True)[1][:4]
    share = Score("changed", count / AGAIN, *wilson(count, AGAIN), AGAIN)
    return [
        Shortcut(
            row,
            kind,
            part,
            share,
            anyway,
            accuracy(seen.y, seen.said),
            accuracy(seen.y, strange(seen.answer, seen.x, part.mask, rng)),
            hosts[changed][shown].tolist(),
            donors[changed][shown].tolist(),
        )
    ]


def _is_in(one: Shortcut, found: list[Shortcut]) -> bool:
    """Whether another that was found says the same already.

    A smaller part of one says it better; and where a part makes pictures a class, all
    others need to be without it.
    """
    for other in found:
        if not (other.part.mask & one.part.mask).any():
            continue
        smaller = other.part.mask.sum() < one.part.mask.sum()
        if (other.row == one.row and smaller) or (other.kind, one.kind) == KINDS:
            return True
    return False


def strange(
    answer: Answer,
    x: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Answers [N] where a part of each picture is from another one, drawn at random.

    mask: [H, W] for all, or [N, H, W]. given: what the others give, [N, H, W, C]; None:
    their own pixels.
    """
    own, others = np.arange(len(x)), rng.permutation(len(x))
    return transplanted(answer, x, own, others, mask, given)


def transplanted(
    answer: Answer,
    x: np.ndarray,
    hosts: np.ndarray,
    donors: np.ndarray,
    mask: np.ndarray,
    given: np.ndarray | None = None,
) -> np.ndarray:
    """Answers [P] for hosts [P] with a part of the donors in the same place.

    mask: [H, W], or [N, H, W] with a row for each picture of x, of which the host's
    counts. given: what donors give, [N, H, W, C]; None: their own pixels.
    """
    given = x if given is None else given
    found = []
    for k in range(0, len(hosts), BATCH):
        some = hosts[k : k + BATCH]
        own = mask if mask.ndim == 2 else mask[some]
        found.append(answer(mixed(x[some], given[donors[k : k + BATCH]], own)))
    return np.concatenate(found) if found else np.empty(0, dtype=int)


def mixed(hosts: np.ndarray, donors: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Hosts [P, H, W, C] with the donors' pixels where the mask says so."""
    return np.where(mask[..., None], donors, hosts)


def answered(answer: Answer, x: np.ndarray) -> np.ndarray:
    """Answers [N], a batch at a time."""
    return np.concatenate([answer(x[k : k + BATCH]) for k in range(0, len(x), BATCH)])


def parts_of(size: tuple[int, ...]) -> list[Part]:
    """The cells that divide a picture of H x W pixels, its rim, and its corners."""
    found = []
    for top, bottom, left, right in cells(size):
        mask = np.zeros(size, dtype=bool)
        mask[top:bottom, left:right] = True
        found.append(Part(named((top, bottom, left, right), size), mask))
    if min(size) >= 2 * CELLS:
        found += [
            Part("the border", rim(size, THIN), True),
            Part("the corners", corners(size), True),
        ]
    return found


def rim(size: tuple[int, ...], share: float = 1 / (2 * CELLS)) -> np.ndarray:
    """Whether a pixel [H, W] is in the outer so much of the picture, on each side."""
    height, width = size
    mask = np.ones(size, dtype=bool)
    down, across = (max(1, round(share * n)) for n in (height, width))
    mask[down : height - down, across : width - across] = False
    return mask


def corners(size: tuple[int, ...]) -> np.ndarray:
    """Whether a pixel [H, W] is in one of the four corner cells."""
    boxes = cells(size)
    mask = np.zeros(size, dtype=bool)
    height, width = size
    for top, bottom, left, right in boxes:
        if (top == 0 or bottom == height) and (left == 0 or right == width):
            mask[top:bottom, left:right] = True
    return mask


def cells(size: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
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


def named(box: tuple[int, int, int, int], size: tuple[int, ...]) -> str:
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
            "put into pictures of the others, does not make them that class, and no "
            "class needs one cell of the rim to be known."
        )
    lines = [_told(s, classes[s.row]) for s in found]
    effective_n = (
        "If it is not the thing itself that lies there, the model will fail where that "
        "part looks otherwise."
    )
    return " ".join(["Shortcut:", *lines, effective_n])


def _told(s: Shortcut, name: str) -> str:
    share, low, high = (f"{100 * v:.0f}" for v in s.changed[1:4])
    beside = f"{share} % [{low}, {high}]"
    anyway = f"{100 * s.anyway:.0f} %"
    if s.kind == "gives":
        what = (
            f"{s.part.name} of a picture of {name}, put into pictures of other "
            f"classes, makes {beside} of them {name} (that of other classes: {anyway})."
        )
    else:
        what = (
            f"{s.part.name} is what {name} is known by: taken from pictures of other "
            f"classes, it makes {beside} of {name} something else (from other pictures "
            f"of {name}: {anyway})."
        )
    return (
        f"{what} With that part from any other picture {s.covered.value:.1%} are right "
        f"instead of {s.plain.value:.1%}."
    )
