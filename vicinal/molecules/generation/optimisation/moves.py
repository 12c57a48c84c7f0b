"""Molecules cut in two at a bond between fragments, and joined from such parts."""

from typing import NamedTuple

from vicinal.molecules.generation.grammar.fragments import FragmentTree, Join


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
