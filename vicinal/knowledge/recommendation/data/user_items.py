"""Users, items, and which user chose which item, as `read_user_items` finds them."""

from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_matrix

from vicinal.core.data.quarantine import Quarantined


@dataclass(frozen=True)
class ItemFacts:
    """K facts, each shared by two items or more."""

    names: np.ndarray
    """[K] such as `genre = jazz`"""

    table: csr_matrix
    """[K, I] float32, 1 where an item has a fact"""

    @classmethod
    def none(cls, num_items: int) -> "ItemFacts":
        """Return no facts."""
        empty = csr_matrix((0, num_items), dtype=np.float32)
        return cls(np.array([], object), empty)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class UserItems:
    """A table of U users and I items. User 3 and item 3 are different."""

    users: np.ndarray
    """[U] names"""

    items: np.ndarray
    """[I] names"""

    weights: csr_matrix
    """[U, I] float32 above 0 where a user chose an item; 1 without given weights"""

    times: np.ndarray | None
    """[E] of the entries of `weights`, in their order; None: there are none"""

    has_weights: bool
    facts: ItemFacts
    num_rows: int
    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
