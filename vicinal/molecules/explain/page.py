"""An explanation as a page, and as what `vicinal explain` shows."""

from typing import Any

import numpy as np

from vicinal.core.evaluation.significance import LEVEL
from vicinal.core.report.finding import Finding
from vicinal.core.report.report import (
    Figure,
    Report,
    Section,
    Table,
    Text,
    format_cell,
)
from vicinal.molecules.data.parse import parse_molecule
from vicinal.molecules.explain.drawing import (
    COLOR_LEGEND,
    draw_attribution,
    draw_molecule,
    png_of_attribution,
)
from vicinal.molecules.explain.explanation import MoleculeExplanation


def to_finding(found: MoleculeExplanation) -> Finding:
    """Return what `vicinal explain` shows."""
    return Finding(
        found.lines(),
        found.to_dict(),
        html=lambda: explanation_page(found),
        svg=found.svg,
        png=lambda: png_of_attribution(found.mol, found.atoms),
        plot_name="molecule.svg",
    )


def explanation_page(found: MoleculeExplanation) -> str:
    """Return an explanation as a page of HTML."""
    rows = [
        [k, found.mol.GetAtomWithIdx(int(k)).GetSymbol(), float(found.atoms[k])]
        for k in np.argsort(-np.abs(found.atoms), kind="stable").tolist()
    ]
    bonds = [
        [found.bond_name(k), float(found.bonds[k])]
        for k in np.argsort(-np.abs(found.bonds), kind="stable").tolist()
        if found.bonds[k]
    ]
    terms = [
        ["without these atoms, of median descriptors", found.base],
        ["all atoms", float(found.atoms.sum())],
        *(["descriptor " + name, value] for name, value in found.descriptors),
        ["all other descriptors", found.other_descriptors],
    ]
    neighbors = []
    for each in found.neighbors:
        mol = parse_molecule(each.smiles).mol
        label = format_cell(each.label)
        caption = f"{each.why}: similarity {each.similarity:.2f}, label {label}"
        if mol is not None:
            drawing = draw_molecule(mol, width=300, height=220)
            neighbors.append(Figure(drawing, caption))
    tone = "plain" if found.p <= LEVEL else "warning"
    sections = [
        Section(
            "Prediction",
            [
                Text(f"{found.target}: {found.predicted:.4g}", "lead"),
                Figure(draw_attribution(found.mol, found.atoms), COLOR_LEGEND),
                Text(found.verdict, tone),
            ],
        ),
        Section(
            "Terms",
            [
                Table(
                    ["term", found.quantity],
                    terms,
                    "The terms add up to the value.",
                    [["value", found.value]],
                ),
                Table(["atom", "element", "share"], rows),
                *([_bond_table(bonds)] if bonds else []),
            ],
        ),
        Section("Similar training molecules", neighbors),
    ]
    if found.alerts:
        alerts = [[a.name, ", ".join(map(str, a.atoms)), a.auroc] for a in found.alerts]
        columns = ["alert", "atoms", "AUROC of the shares"]
        sections.append(Section("Structural alerts", [Table(columns, alerts)]))
    return Report(found.smiles, f"Explanation of {found.target}", sections).html()


def _bond_table(rows: list[list[Any]]) -> Table:
    return Table(
        ["bond", "share"],
        rows,
        "Shares of bonds in the networks; each of its two atoms has half of it.",
    )
