"""Changes of molecules: parts are cut off, exchanged, or edited atom by atom."""

import random
from typing import Any, NamedTuple

from rdkit import Chem, rdBase
from rdkit.Chem import rdChemReactions

from vicinal.molecules.generation.grammar.fragments import FragmentTree, Join

EDITS = (
    "[C;!H0:1]>>[C:1]C",
    "[C;!H0:1]>>[C:1]O",
    "[C;!H0:1]>>[C:1]N",
    "[c;H1:1]>>[c:1]C",
    "[c;H1:1]>>[c:1]O",
    "[c;H1:1]>>[c:1]N",
    "[c;H1:1]>>[c:1]F",
    "[c;H1:1]>>[c:1]Cl",
    "[cH:1]>>[n:1]",
    "[n;H0;D2:1]>>[cH:1]",
    "[C;H2:1]>>[O:1]",
    "[O;D2:1]>>[CH2:1]",
    "[C;H2:1]>>[NH:1]",
    "[N;H1;D2:1]>>[CH2:1]",
    "[O;D2:1]>>[NH:1]",
    "[N;H1;D2:1]>>[O:1]",
    "[O;D2:1]>>[S:1]",
    "[S;D2:1]>>[O:1]",
    "[C;H2;!R:1]>>[C:1]=O",
    "[C:1]=[O;D1]>>[C;H2:1]",
    "[*:1]-[C,N,O,F,Cl;D1]>>[*:1]",
    "[*:1]-[C;D2;H2]-[*:2]>>[*:1]-[*:2]",
    "[*:1]-;!@[*:2]>>[*:1]C[*:2]",
    "[C;R;H2:1]-[C;R;H2:2]>>[C:1]C[C:2]",
    "[C:1]-[C:2]>>[C:1]=[C:2]",
    "[C:1]=[C:2]>>[C:1]-[C:2]",
)
"""reactions that add, remove or replace an atom, or change a bond: fragments that the
vocabulary lacks cannot be reached otherwise. As in J. Jensen: A graph-based genetic
algorithm, Chem. Sci. 2019"""

REACTIONS = tuple(rdChemReactions.ReactionFromSmarts(text) for text in EDITS)
MAX_PRODUCTS, MAX_TRIES = 40, 10


class Part(NamedTuple):
    """A side of a molecule that was cut at a bond between two fragments."""

    tree: FragmentTree
    fragment: int
    site: int
    """the open attachment point, of that fragment"""


def split_at(tree: FragmentTree, number: int) -> tuple[Part, Part]:
    """Cut a molecule at one of its joins; return both sides."""
    join = tree.joins[number]
    neighbors: dict[int, list[int]] = {}
    for k, other in enumerate(tree.joins):
        if k != number:
            neighbors.setdefault(other.fragment, []).append(other.other)
            neighbors.setdefault(other.other, []).append(other.fragment)
    side, waiting = {join.fragment}, [join.fragment]
    while waiting:
        for fragment in neighbors.get(waiting.pop(), []):
            if fragment not in side:
                side.add(fragment)
                waiting.append(fragment)
    rest = set(range(len(tree.fragments))) - side
    return (
        _part(tree, side, join.fragment, join.site),
        _part(tree, rest, join.other, join.other_site),
    )


def _part(tree: FragmentTree, own: set[int], fragment: int, site: int) -> Part:
    numbers = {old: new for new, old in enumerate(sorted(own))}
    joins = [
        join._replace(fragment=numbers[join.fragment], other=numbers[join.other])
        for join in tree.joins
        if join.fragment in own and join.other in own
    ]
    fragments = [tree.fragments[k] for k in sorted(own)]
    return Part(FragmentTree(fragments, joins), numbers[fragment], site)


def join_parts(first: Part, second: Part) -> FragmentTree:
    """Join two parts at their open attachment points."""
    shift = len(first.tree.fragments)
    moved = [
        join._replace(fragment=join.fragment + shift, other=join.other + shift)
        for join in second.tree.joins
    ]
    new = Join(first.fragment, first.site, second.fragment + shift, second.site)
    return FragmentTree(
        [*first.tree.fragments, *second.tree.fragments],
        [*first.tree.joins, *moved, new],
    )


def edit_molecule(mol: Any, rng: random.Random) -> str | None:
    """Return the SMILES of a molecule with one random edit; None if none was found."""
    with rdBase.BlockLogs():
        for _ in range(MAX_TRIES):
            products = rng.choice(REACTIONS).RunReactants((mol,), MAX_PRODUCTS)
            if not products:
                continue
            product = rng.choice(products)[0]
            if Chem.SanitizeMol(product, catchErrors=True):
                continue
            smiles = Chem.MolToSmiles(product)
            if "." not in smiles and Chem.MolFromSmiles(smiles) is not None:
                return smiles
    return None
