"""Tokens joined to a molecule, as text.

Each attachment point is replaced by a ring closure: ``c1ccccc1[1*]`` and ``*C`` become
``c1ccccc-%(100)1.C-%(100)``, which RDKit reads as one molecule. This is many times
faster than joining molecules atom by atom.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rdkit import Chem

from vicinal.molecules.generation.grammar.growth import ENTRY

ATOM = re.compile(r"\[[^\]]+\]|Br|Cl|[BCNOPSFIbcnops*]")
FIRST_CLOSURE = 100
"""number of the first ring closure, above those of any fragment"""

OWN_ENTRY = -1
"""number of the attachment point by which a token joins its parent"""


class Template(NamedTuple):
    """The SMILES of a token without its attachment points."""

    texts: tuple[str, ...]
    sites: tuple[int, ...]
    """attachment point between each text and the next"""


@lru_cache(100_000)
def split_token(token: str) -> Template:
    """Return the parts of a token between which ring closures go."""
    mol = Chem.MolFromSmiles(token)
    spans = [match.span() for match in ATOM.finditer(token)]
    assert len(spans) == mol.GetNumAtoms(), token
    edits: list[tuple[int, int, int | None]] = []  # start, end, attachment point
    number = 0
    for atom in mol.GetAtoms():
        if atom.GetAtomicNum():
            continue
        start, end = spans[atom.GetIdx()]
        if token[start - 1 : start] == "(" and token[end : end + 1] == ")":
            start, end = start - 1, end + 1
        site = OWN_ENTRY
        if atom.GetIsotope() != ENTRY:
            site, number = number, number + 1
        behind = spans[atom.GetNeighbors()[0].GetIdx()][1]
        edits += [(start, end, None), (behind, behind, site)]
    texts, sites, last = [""], [], 0
    for start, end, site in sorted(edits, key=lambda k: (k[0], k[2] is None)):
        texts[-1] += token[last:start]
        last = end
        if site is not None:
            sites.append(site)
            texts.append("")
    texts[-1] += token[last:]
    return Template(tuple(texts), tuple(sites))


def join_tokens(
    tokens: Sequence[str], parents: Sequence[int], sites: Sequence[int]
) -> str:
    """Return the SMILES of a molecule, not canonical; arguments as of `Growth`.

    Attachment points that no token joins stay open, as ``*``.
    """
    closures: dict[tuple[int, int], int] = {}
    for child, (parent, site) in enumerate(zip(parents, sites, strict=True)):
        if parent >= 0:
            closures[parent, site] = closures[child, OWN_ENTRY] = FIRST_CLOSURE + child
    parts, free = [], FIRST_CLOSURE + len(tokens)
    for position, token in enumerate(tokens):
        texts, points = split_token(token)
        written = [texts[0]]
        for site, text in zip(points, texts[1:], strict=True):
            closure = closures.get((position, site))
            if closure is None:
                closure, free = free, free + 1
                parts.append(f"*-%({closure})")
            written.append(f"-%({closure}){text}")
        parts.append("".join(written))
    return ".".join(parts)
