"""What the commands do for molecules."""

from pathlib import Path
from typing import Any

from vicinal.core.domain import OpenRun, Outcome
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console, Counter
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.core.storage.files import predictions_path
from vicinal.core.text import pluralize
from vicinal.errors import DataError, NoDataError
from vicinal.molecules.data.grouping import count_same_compounds
from vicinal.molecules.data.new_data import known_columns
from vicinal.molecules.data.read import read_molecules
from vicinal.molecules.data.reader import MoleculeReader
from vicinal.molecules.data.summary import MoleculeSummary
from vicinal.molecules.domain import (
    STRUCTURE_SUFFIXES,
    TABLE_SUFFIXES,
    CheckMolecules,
    EvaluateMolecules,
    ExplainMolecule,
    InspectMolecule,
    MoleculeData,
    PredictMolecules,
)
from vicinal.molecules.inference.blocks import predict_rows, write_predictions
from vicinal.molecules.settings import MoleculeColumns


def read(
    data: str, options: MoleculeData, parameters: dict[str, Any]
) -> tuple[Any, str]:
    """Read the molecules of a training run: (table, task)."""
    values = {name: parameters.get(name) for name in MoleculeColumns.names()}
    columns, task = MoleculeColumns(**values), options.task
    found = read_molecules(data, task=task, columns=columns)
    if found.task == "none":
        notes = " ".join(found.notes)
        raise DataError(
            f"There is no column of targets in {data}: name it with --target-columns. "
            f"{notes[:1].upper()}{notes[1:]}"
        )
    return found, found.task


def check(data: str, arguments: CheckMolecules, console: Console) -> DataCheck:
    """Return what the molecules are, and which rows cannot be used; in blocks."""
    reader = MoleculeReader(data, arguments.columns())
    summary, report = MoleculeSummary(reader), Counter("rows read")
    for block in reader.blocks():
        summary.add(block)
        report(summary.num_rows)
    return DataCheck(
        task=summary.task(arguments.task),
        lines=summary.lines(),
        statistics=summary.statistics(),
        usable=summary.usable,
        quarantined=summary.quarantined,
        notes=summary.all_notes(),
    )


def evaluate(
    run: OpenRun, arguments: EvaluateMolecules, console: Console
) -> Evaluation:
    """Evaluate on the run's own test split or cross-validation, or on other data."""
    data, model = arguments.data, run.model
    if data is None:
        return model.evaluate()
    if run.is_data(data):
        console.print("this is the data of the run: its held-out scores are shown")
        return model.evaluate()
    table = model.read_to_evaluate(data)
    found = model.evaluate(table)
    scored = model.mols_of(found.predictions["smiles"])
    overlap = count_same_compounds(model.mols_of(model.smiles_), scored)
    found = found.with_training_overlap(
        overlap,
        f"{overlap} of these {len(scored)} molecules are training molecules, or "
        "stereoisomers, tautomers or salts of them",
    )
    return found.with_quarantine(table.quarantined)


def predict(
    run: OpenRun, arguments: PredictMolecules, console: Console
) -> Predictions | Outcome:
    """Predict structures that were typed, or those of a file, a row for each."""
    source, named = _source(arguments.molecules), arguments.smiles_columns
    smiles = known_columns(source, run.model.settings_).smiles_columns
    smiles = smiles if named is None else (named,)
    columns = MoleculeColumns(smiles_columns=smiles, target_columns=())
    reader = MoleculeReader(source, columns)
    output = predictions_path(arguments.output)
    if output is not None:
        return write_predictions(run.model, reader, output, console)
    return predict_rows(run.model, reader)


def _source(words: list[str]) -> Any:
    """Return a file that was named, or a list of structures."""
    if not words:
        raise NoDataError("Name SMILES, or a file of molecules, after RUN.")
    if len(words) == 1 and (Path(words[0]).is_file() or _names_file(words[0])):
        return words[0]
    for word in words:
        if Path(word).is_file() or _names_file(word):
            raise NoDataError(
                f"Files are predicted one at a time, and without SMILES beside them. "
                f"Got {word} and {pluralize(len(words) - 1, 'other word')}."
            )
    return words


def _names_file(word: str) -> bool:
    """Return whether a word that is no file looks like the path of one."""
    name = word.lower().removesuffix(".gz")
    return name.endswith((*TABLE_SUFFIXES, *STRUCTURE_SUFFIXES)) or word.endswith(".gz")


def explain(run: OpenRun, arguments: ExplainMolecule, console: Console) -> Finding:
    """Explain the prediction for a molecule by its atoms."""
    from vicinal.molecules.explain.page import to_finding

    found = run.model.explain(
        arguments.molecule,
        arguments.target,
        seed=arguments.seed,
        alerts=arguments.alerts,
    )
    return to_finding(found)


def inspect(run: OpenRun, arguments: InspectMolecule, console: Console) -> Finding:
    """Show the terms of a prediction, of the Gaussian process and of a network."""
    from vicinal.molecules.explain.inspection import inspect_molecule

    return inspect_molecule(
        run.model, arguments.molecule, arguments.target, arguments.atom
    )
