"""New molecules in files: CSV, SDF, SMILES, and a page of drawings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdDepictor

from vicinal.core.data.csv_tables import write_csv
from vicinal.core.report.report import Block, Figure, Report, Section, Table, Text
from vicinal.core.storage.files import replace_file, write_text
from vicinal.core.text import pluralize
from vicinal.molecules.explain.drawing import draw_grid

MAX_DRAWN = 60
"""molecules that a page draws"""

PER_DRAWING = 12

HEADERS = {
    "smiles": "molecule",
    "weight": "g/mol",
    "logp": "logP",
    "qed": "QED",
    "synthetic_accessibility": "SA",
    "similarity": "similarity",
    "nearest": "nearest known molecule",
    "alerts": "alerts",
}
"""columns of the page"""

Writer = Callable[[Path], None]


def writers(frame: Any, title: str, notes: list[str]) -> Mapping[str, Writer]:
    """Return what writes a table of new molecules, by the suffix of the file.

    frame: a row for each, with the columns of `MoleculeProperties`.
    """
    return {
        ".csv": lambda path: write_csv(path, frame),
        ".sdf": lambda path: write_sdf(path, frame),
        ".smi": lambda path: write_text(path, "\n".join(frame["smiles"]) + "\n"),
        ".html": lambda path: write_text(path, molecules_page(frame, title, notes)),
    }


def write_sdf(path: Path, frame: Any) -> None:
    """Write molecules with 2D coordinates, and their other columns as properties."""

    def write(temporary: Path) -> None:
        with Chem.SDWriter(str(temporary)) as writer:
            for number, row in enumerate(frame.to_dict("records"), 1):
                mol = Chem.MolFromSmiles(row["smiles"])
                rdDepictor.Compute2DCoords(mol)
                mol.SetProp("_Name", f"molecule-{number}")
                for name, value in row.items():
                    mol.SetProp(name, str(value))
                writer.write(mol)

    replace_file(path, write)


def molecules_page(frame: Any, title: str, notes: list[str]) -> str:
    """Return a page of HTML with drawings and a table."""
    blocks: list[Block] = [Text(note) for note in notes]
    blocks += drawings(frame)
    scores = [str(name) for name in frame.columns if name.startswith("score")]
    columns = ["smiles", *scores, *(name for name in HEADERS if name != "smiles")]
    headers: list[str] = [HEADERS.get(name, name) for name in columns]
    rows = [[row[name] for name in columns] for row in frame.to_dict("records")]
    caption = (
        "SA: synthetic accessibility, from 1 (easy) to 10. Similarity: to the nearest "
        "known molecule; at 1 it need not be the same, as fingerprints are coarse."
    )
    sections = [
        Section("Molecules", blocks),
        Section("Properties", [Table(headers, rows, caption)]),
    ]
    return Report(title, pluralize(len(frame), "molecule"), sections).html()


def drawings(frame: Any) -> list[Block]:
    """Return the first molecules as drawings, each with its score or properties."""
    rows = frame.head(MAX_DRAWN).to_dict("records")
    figures: list[Block] = []
    for start in range(0, len(rows), PER_DRAWING):
        own = rows[start : start + PER_DRAWING]
        mols = [Chem.MolFromSmiles(row["smiles"]) for row in own]
        legends = [f"{start + k}: {_legend(row)}" for k, row in enumerate(own, 1)]
        figures.append(Figure(draw_grid(mols, legends)))
    if len(frame) > MAX_DRAWN:
        figures.append(Text(f"The first {MAX_DRAWN} of {len(frame):,} are drawn."))
    return figures


def _legend(row: dict[str, Any]) -> str:
    scores = [f"{row[name]:.3g}" for name in row if name.startswith("score")]
    first = f"score {', '.join(scores)}" if scores else f"QED {row['qed']:.2f}"
    alerts = row["alerts"].count(";") + 1 if row["alerts"] else 0
    flagged = f", {pluralize(alerts, 'alert')}" if alerts else ""
    return f"{first}, {row['similarity']:.2f} to nearest{flagged}"
