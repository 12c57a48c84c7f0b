"""Drawings of molecules as SVG, with atoms coloured by what they contribute."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDepictor
from rdkit.Chem.Draw import rdMolDraw2D

RED, BLUE = (0.84, 0.19, 0.15), (0.13, 0.4, 0.67)
"""of positive and of negative shares"""

COLOR_LEGEND = (
    "Red atoms increase the value, blue ones decrease it; the stronger the colour, the "
    "larger the share of the atom."
)


def draw_molecule(
    mol: Any,
    colors: dict[int, tuple[float, float, float]] | None = None,
    *,
    width: int = 420,
    height: int = 300,
    numbers: bool = False,
) -> str:
    """Return a drawing as SVG. colors: of atoms. numbers: whether atoms have theirs."""
    drawer = rdMolDraw2D.MolDraw2DSVG(width, height)
    drawer.drawOptions().clearBackground = False
    _draw(drawer, mol, colors, numbers)
    return drawer.GetDrawingText()


def _draw(
    drawer: Any,
    mol: Any,
    colors: dict[int, tuple[float, float, float]] | None,
    numbers: bool,
) -> None:
    """Draw a molecule with a drawer of RDKit."""
    own = Chem.Mol(mol)
    rdDepictor.Compute2DCoords(own)
    options: Any = drawer.drawOptions()
    options.addAtomIndices = numbers
    options.fillHighlights = True
    colors = colors or {}
    atoms = list(colors)
    bonds = [
        bond.GetIdx()
        for bond in own.GetBonds()
        if bond.GetBeginAtomIdx() in colors and bond.GetEndAtomIdx() in colors
    ]
    bond_colors = {k: _middle(own.GetBondWithIdx(k), colors) for k in bonds}
    rdMolDraw2D.PrepareAndDrawMolecule(
        drawer,
        own,
        highlightAtoms=atoms,
        highlightAtomColors=colors,
        highlightBonds=bonds,
        highlightBondColors=bond_colors,
    )
    drawer.FinishDrawing()


def _middle(bond: Any, colors: dict[int, Any]) -> tuple[float, float, float]:
    """Return the colour between those of the two atoms of a bond."""
    a, b = colors[bond.GetBeginAtomIdx()], colors[bond.GetEndAtomIdx()]
    red, green, blue = ((u + v) / 2 for u, v in zip(a, b, strict=True))
    return red, green, blue


def share_colors(shares: np.ndarray) -> dict[int, tuple[float, float, float]]:
    """Return a colour for each atom from its share [A]: from white to red or blue."""
    largest = float(np.abs(shares).max(initial=0.0)) or 1.0
    colors = {}
    for atom, share in enumerate(shares.tolist()):
        strength = abs(share) / largest
        full = RED if share > 0 else BLUE
        red, green, blue = (1 - strength * (1 - c) for c in full)
        colors[atom] = (red, green, blue)
    return colors


def draw_attribution(
    mol: Any, shares: np.ndarray, width: int = 420, height: int = 300
) -> str:
    """Return a drawing with each atom coloured by its share [A]."""
    colors = share_colors(shares)
    return draw_molecule(mol, colors, width=width, height=height, numbers=True)


def png_of_attribution(
    mol: Any, shares: np.ndarray, width: int = 1260, height: int = 900
) -> bytes:
    """Return the drawing of `draw_attribution` as PNG, on white."""
    drawer = rdMolDraw2D.MolDraw2DCairo(width, height)
    _draw(drawer, mol, share_colors(shares), numbers=True)
    return drawer.GetDrawingText()


def draw_grid(
    mols: Sequence[Any], legends: Sequence[str], columns: int = 3, *, side: int = 230
) -> str:
    """Return molecules as one drawing, in rows of some columns, each with a legend."""
    rows = -(-len(mols) // columns)
    height = int(0.8 * side)
    drawer = rdMolDraw2D.MolDraw2DSVG(columns * side, rows * height, side, height)
    options: Any = drawer.drawOptions()
    options.clearBackground = False
    options.legendFontSize = 16
    drawer.DrawMolecules(list(mols), legends=list(legends))
    drawer.FinishDrawing()
    return drawer.GetDrawingText()
