"""Predict any number of molecules, a row for each row of the input, in blocks."""

from collections import Counter as Counts
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.core.data.csv_tables import write_csv_in_parts
from vicinal.core.data.quarantine import Quarantined, describe_row
from vicinal.core.report.console import Console, Counter
from vicinal.core.report.predictions import Predictions, records
from vicinal.core.text import pluralize
from vicinal.errors import NoDataError
from vicinal.molecules.data.read import count_notes
from vicinal.molecules.data.reader import MoleculeReader, ParsedRow
from vicinal.molecules.inference.tables import shown_name

if TYPE_CHECKING:
    from vicinal.molecules.estimators import MoleculeEstimator

ROWS_PER_BLOCK = 2000
"""rows that are predicted together"""

MAX_REASONS = 20
"""rows without a prediction that are named on the terminal; the file names them all"""


class BlockPredictions:
    """Predictions of a source, of which one block is in memory."""

    def __init__(self, model: "MoleculeEstimator", reader: MoleculeReader) -> None:
        self.model, self.reader = model, reader
        self.num_predicted = 0
        self.num_quarantined = 0
        self.num_unlike = 0
        self.first: Quarantined | None = None
        self.changes = Counts[str]()

    def frames(self) -> Iterator[tuple[Any, list[Quarantined]]]:
        """Yield a table of each block, and its rows that have no prediction."""
        for block in self.reader.blocks(ROWS_PER_BLOCK):
            bad = [row for row in block if row.molecule.mol is None]
            frame = self._frame(block)
            self.num_predicted += len(block) - len(bad)
            self.num_quarantined += len(bad)
            self.changes.update(n for row in block for n in row.molecule.notes)
            if bad and self.first is None:
                row = bad[0]
                self.first = self.reader.quarantined(row, row.molecule.reason, "")
            if "unlike_training" in frame:
                self.num_unlike += frame["unlike_training"].tolist().count(True)
            yield (
                frame,
                [self.reader.quarantined(row, row.molecule.reason, "") for row in bad],
            )
        if not self.num_predicted:
            first = "" if self.first is None else f" {describe_row(self.first)}."
            raise NoDataError(f"No row has a molecule that can be predicted.{first}")

    def _frame(self, block: list[ParsedRow]) -> Any:
        """Return a row for each row of a block, in its order."""
        import pandas as pd

        good = [k for k, row in enumerate(block) if row.molecule.mol is not None]
        mols = [block[k].molecule.mol for k in good]
        found = self.model.predict_mols(mols)
        frame = self.model.predictions_frame([block[k].text for k in good], found)
        frame = frame.set_index(pd.Index(good)).reindex(range(len(block)))
        frame["smiles"] = [row.text for row in block]
        if self.reader.id_column is not None:
            frame.insert(0, "id", [self.reader.id(row) for row in block])
        frame["reason"] = [row.molecule.reason for row in block]
        return frame

    def notes(self) -> list[str]:
        """Return notes on the columns, and on molecules unlike those of training."""
        found = [*self.reader.notes, *count_notes(self.changes, self.num_predicted)]
        model, names = self.model.model_, self.model.target_names_
        known = model.half_widths_known(self.model.settings_.coverage)
        missing = [name for name, k in zip(names, known, strict=False) if not k]
        if missing:
            found.append(
                f"no intervals of {', '.join(missing)}: too few held-out values"
            )
        if self.num_unlike:
            found.append(
                f"{self.num_unlike:,} of {self.num_predicted:,} molecules are unlike "
                "the training molecules (unlike_training): do not rely on these"
            )
        return found


def predict_rows(model: "MoleculeEstimator", reader: MoleculeReader) -> Predictions:
    """Return the predictions for all rows as one table."""
    import pandas as pd

    blocks = BlockPredictions(model, reader)
    frames, quarantined = [], []
    for frame, bad in blocks.frames():
        frames.append(frame)
        quarantined += bad
    return Predictions(
        pd.concat(frames, ignore_index=True),
        "molecule",
        quarantined,
        blocks.notes(),
        marks={"unlike_training": "unlike the training molecules"},
        shown=[shown_name(model.model_, k) for k in range(len(model.target_names_))],
    )


def write_predictions(
    model: "MoleculeEstimator", reader: MoleculeReader, output: Path, console: Console
) -> dict[str, Any]:
    """Write the predictions to a CSV file block by block; return what --json prints.

    The file has a row for each row of the input, in its order; a row without a
    prediction has the reason.
    """
    blocks, report = BlockPredictions(model, reader), Counter("molecules predicted")
    quarantined: list[Quarantined] = []
    kept: list[dict[str, Any]] = []

    def frames() -> Iterator[Any]:
        for frame, bad in blocks.frames():
            quarantined.extend(bad[: MAX_REASONS - len(quarantined)])
            if console.json:
                kept.extend(records(frame))
            report(blocks.num_predicted + blocks.num_quarantined)
            yield frame

    write_csv_in_parts(output, frames())
    count = pluralize(blocks.num_predicted, "molecule")
    console.print(f"{count}: {output}")
    for row in quarantined:
        console.print(f"no prediction: {describe_row(row)}")
    if blocks.num_quarantined > len(quarantined):
        rest = blocks.num_quarantined - len(quarantined)
        console.print(f"... and {rest:,} more (column reason)")
    for note in blocks.notes():
        console.print(f"note: {note}")
    return {
        "n": blocks.num_predicted,
        "output": str(output),
        "predictions": kept,
        "notes": blocks.notes(),
        "quarantine": [row._asdict() for row in quarantined],
    }
