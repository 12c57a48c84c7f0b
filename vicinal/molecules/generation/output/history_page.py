"""The history of a molecule: as lines, as JSON, and as a page."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.report.finding import Finding
from vicinal.core.report.report import Block, Figure, Report, Section, Table, Text
from vicinal.core.text import format_percent, pluralize
from vicinal.molecules.explain.drawing import draw_molecule
from vicinal.molecules.generation.history import (
    GrowthStep,
    MoleculeHistory,
    TokenChoice,
)

NEW = (0.6, 0.85, 0.6)
"""colour of the fragment that was added"""


def history_finding(found: MoleculeHistory, notes: Sequence[str]) -> Finding:
    """Return what `vicinal explain` shows."""
    every = [*notes, *_notes(found)]
    lines = [
        f"{found.smiles}: {pluralize(len(found.steps), 'fragment')}, negative "
        f"log-likelihood {found.nll:.2f} (counts alone {found.nll_counts:.2f})"
    ]
    for step in found.steps:
        lines += _step_lines(step)
    lines += [f"note: {note}" for note in every]
    return Finding(
        lines,
        {
            "molecule": found.smiles,
            "nll": found.nll,
            "nll_counts": found.nll_counts,
            "steps": [step.to_dict() for step in found.steps],
            "unknown_fragments": found.unknown,
            "max_error": found.max_error,
            "notes": every,
        },
        html=lambda: history_page(found, every),
    )


def _notes(found: MoleculeHistory) -> list[str]:
    """Return what is unusual about a molecule."""
    if not found.unknown:
        return []
    names = ", ".join(found.unknown)
    return [
        f"{pluralize(len(found.unknown), 'fragment')} not in the vocabulary: {names}. "
        "Its probability is nearly 0; what follows it is estimated from similar atoms"
    ]


def _where(step: GrowthStep) -> str:
    """Return where a fragment was added, in words."""
    if step.parent < 0:
        return "first"
    return f"joins fragment {step.parent} at its attachment point {step.site}"


def _step_lines(step: GrowthStep) -> list[str]:
    lines = [f"{step.number}: {step.chosen.token} ({_where(step)}) {_terms(step)}"]
    for other in step.alternatives:
        if other.token != step.chosen.token:
            share = format_percent(np.exp(other.log_probability))
            counts = format_percent(np.exp(other.log_counts))
            lines.append(f"     {share:>7}  (counts {counts})  {other.token}")
    return lines


def _terms(step: GrowthStep) -> str:
    own = step.chosen
    share = format_percent(np.exp(own.log_probability))
    if not (own.correction or step.log_normaliser):
        return f"P = {share}"
    return (
        f"log P = {own.log_counts:.3f} counts {own.correction:+.3f} network "
        f"{-step.log_normaliser:+.3f} normalisation = {own.log_probability:.3f}; "
        f"P = {share}"
    )


def history_page(found: MoleculeHistory, notes: Sequence[str]) -> str:
    """Return the history as a page of HTML, a section for each step."""
    mol = Chem.MolFromSmiles(found.smiles)
    total = [
        ["all steps", found.nll],
        ["by the counts alone", found.nll_counts],
    ]
    first: list[Block] = [
        Text(f"Negative log-likelihood {found.nll:.2f}.", "lead"),
        Figure(draw_molecule(mol), found.smiles),
        Table(
            ["negative log-likelihood", "nats"],
            total,
            "Of each fragment: log P = log P of the counts + correction of the "
            "network - log Z.",
        ),
        *(Text(note, "warning") for note in notes),
    ]
    sections = [Section("Molecule", first)]
    sections += [
        Section(f"Fragment {step.number}", _step_blocks(step)) for step in found.steps
    ]
    return Report(found.smiles, "How it grows, fragment by fragment", sections).html()


def _step_blocks(step: GrowthStep) -> list[Block]:
    own = step.chosen
    rows = [_row("chosen", own)]
    rows += [_row("", other) for other in step.alternatives if other.token != own.token]
    rank = (
        "the most probable of all"
        if not step.rank
        else (f"{step.rank:,} others are more probable")
    )
    return [
        Text(f"{own.token}: {_where(step)}; {rank}."),
        Figure(_draw_step(step), "The molecule so far; the new fragment is coloured."),
        Table(
            ["", "fragment", "log P of counts", "correction", "log P", "P in %"],
            rows,
            f"log Z = {step.log_normaliser:.4f}",
        ),
    ]


def _row(label: str, choice: TokenChoice) -> list[Any]:
    share = 100 * float(np.exp(choice.log_probability))
    return [
        label,
        choice.token,
        choice.log_counts,
        choice.correction,
        choice.log_probability,
        share,
    ]


def _draw_step(step: GrowthStep) -> str:
    """Draw the molecule so far, with the atoms of the new fragment coloured."""
    mol = Chem.MolFromSmiles(step.partial)
    new = Chem.MolFromSmiles(step.chosen.token)
    size = sum(atom.GetAtomicNum() > 0 for atom in new.GetAtoms())
    heavy = [atom.GetIdx() for atom in mol.GetAtoms() if atom.GetAtomicNum()]
    colors = dict.fromkeys(heavy[-size:], NEW)
    return draw_molecule(mol, colors, width=360, height=240)
