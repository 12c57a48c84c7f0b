"""Names of entities and relations, and their numbers."""

import unicodedata
from collections.abc import Sequence
from itertools import compress, repeat

import numpy as np

from vicinal.core.data.names import problem_of_name
from vicinal.graphs.data.tables.node_names import is_missing_id

EMPTY, INVALID = -1, -2
"""numbers of cells without a name, and of names that cannot be used"""

_NEW = -3


class NameIndex:
    """Numbers names in the order of their appearance.

    Names are texts: NFC, without blanks around them; `12` and `12.0` are two names. A
    cell is cleaned the first time that its text appears.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._codes = dict[str, int]()

    def __len__(self) -> int:
        return len(self.names)

    def codes(self, cells: Sequence[str]) -> np.ndarray:
        """Return the numbers [N] int32 of cells; EMPTY or INVALID where none fits."""
        count, get = len(cells), self._codes.get
        codes = np.fromiter(map(get, cells, repeat(_NEW)), np.int32, count)
        is_new = codes == _NEW
        if is_new.any():
            for cell in compress(cells, is_new):
                if cell not in self._codes:
                    self._codes[cell] = self._add(cell)
            new = compress(cells, is_new)
            codes[is_new] = np.fromiter(map(self._codes.__getitem__, new), np.int32)
        return codes

    def _add(self, cell: str) -> int:
        """Return the number of a text that has not been looked up yet."""
        name = clean_name(cell)
        if is_missing_id(name):
            return EMPTY
        if problem_of_name(name):
            return INVALID
        code = self._codes.setdefault(name, len(self.names))
        if code == len(self.names):
            self.names.append(name)
        return code


def clean_name(cell: str) -> str:
    """Return a name in Unicode's NFC, without blanks around it."""
    return unicodedata.normalize("NFC", cell).strip()


def sort_names(index: NameIndex, is_used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the used names in ascending order, and the row of each number; else -1.

    is_used: bool, for each name of the index.
    """
    names = index.names
    order = np.array(
        sorted(np.flatnonzero(is_used).tolist(), key=names.__getitem__), np.int64
    )
    rows = np.full(len(index), -1, np.int32)
    rows[order] = np.arange(len(order))
    ascending = np.empty(len(order), object)
    ascending[:] = [names[k] for k in order.tolist()]
    return ascending, rows


def count_entities(count: int) -> str:
    """Return a count with its noun: `1 entity`, `2,500 entities`."""
    return f"{count:,} {'entity' if count == 1 else 'entities'}"
