"""The order in which a molecule grows from its fragments.

The first fragment has only open attachment points. Each further one joins the open
point that was opened last, by one of its own; a *token* is a fragment with the point by
which it joins, written ``[1*]``. Points that are equivalent by symmetry make one token.
"""

from functools import lru_cache
from typing import NamedTuple, Self

from rdkit import Chem

from vicinal.molecules.generation.grammar.fragments import FragmentTree, output_order

ENTRY = 1
"""isotope of the dummy atom by which a fragment joins; 0: an open attachment point"""


class Growth(NamedTuple):
    """A molecule as a sequence of tokens."""

    tokens: list[str]
    parents: list[int]
    """position of the token that each joins; -1 of the first"""

    sites: list[int]
    """open attachment point of the parent, in the order of its SMILES; -1"""

    def prefix(self, count: int) -> Self:
        """Return the partial molecule after the first tokens."""
        return type(self)(self.tokens[:count], self.parents[:count], self.sites[:count])


class RootedFragment(NamedTuple):
    """A fragment with the point by which it joins."""

    token: str
    order: tuple[int, ...]
    """new number of each attachment point of the fragment, -1 of the entry"""


@lru_cache(100_000)
def root_fragment(fragment: str, entry: int) -> RootedFragment:
    """Return the token of a fragment that joins by its point `entry`; -1: the first."""
    mol = Chem.MolFromSmiles(fragment)
    points = [atom.GetIdx() for atom in mol.GetAtoms() if not atom.GetAtomicNum()]
    if entry < 0:
        return RootedFragment(fragment, tuple(range(len(points))))
    mol.GetAtomWithIdx(points[entry]).SetIsotope(ENTRY)
    token = Chem.MolToSmiles(mol)
    is_open = set(points) - {points[entry]}
    placed = [atom for atom in output_order(mol) if atom in is_open]
    numbers = {atom: k for k, atom in enumerate(placed)}
    return RootedFragment(token, tuple(numbers.get(atom, -1) for atom in points))


def grow_from(tree: FragmentTree, first: int) -> Growth:
    """Return the order of growth from one fragment, depth first."""
    neighbors: list[list[tuple[int, int, int]]] = [[] for _ in tree.fragments]
    for fragment, site, other, other_site in tree.joins:
        neighbors[fragment].append((site, other, other_site))
        neighbors[other].append((other_site, fragment, site))
    growth = Growth([], [], [])
    stack = [(first, -1, -1, -1)]
    while stack:
        fragment, entry, parent, site = stack.pop()
        token, order = root_fragment(tree.fragments[fragment], entry)
        position = len(growth.tokens)
        growth.tokens.append(token)
        growth.parents.append(parent)
        growth.sites.append(site)
        children = sorted(
            (order[own], other, other_site)
            for own, other, other_site in neighbors[fragment]
            if own != entry
        )
        for own, other, other_site in reversed(children):
            stack.append((other, other_site, position, own))
    return growth
