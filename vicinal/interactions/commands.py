"""What the commands do for interactions."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from vicinal.core.domain import EvaluateOptions, OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import Predictions
from vicinal.errors import DataError, NoDataError, SettingError
from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.data.read import read_interactions
from vicinal.interactions.data.sets import read_sets
from vicinal.interactions.domain import (
    TABLE_SUFFIXES,
    CheckInteractions,
    ExplainInteraction,
    InspectInteraction,
    InteractionData,
    PredictInteractions,
)
from vicinal.interactions.explain.explanation import explain_set, explanation_lines
from vicinal.interactions.explain.inspection import inspect_pair
from vicinal.interactions.explain.page import explanation_json, explanation_page
from vicinal.interactions.prediction.set_predictions import to_frame
from vicinal.interactions.predictor import InteractionPredictor
from vicinal.interactions.settings import InteractionColumns
from vicinal.interactions.summary import WARNING, table_lines, table_statistics


def read(
    data: str, options: InteractionData, parameters: dict[str, Any]
) -> tuple[InteractionTable, str]:
    """Read the interactions of a training run: (table, task)."""
    values = {name: parameters.get(name) for name in InteractionColumns.names()}
    columns, ordered = InteractionColumns(**values), parameters.get("ordered", "auto")
    table = read_interactions(data, options.drugs, options.proteins, columns, ordered)
    return table, "interactions"


def check(data: str, arguments: CheckInteractions, console: Console) -> DataCheck:
    """Return what the interactions are, and which rows cannot be used."""
    columns = InteractionColumns(
        drug_columns=arguments.drug_columns, effect_column=arguments.effect_column
    )
    table = read_interactions(
        data, arguments.drugs, arguments.proteins, columns, arguments.ordered
    )
    return DataCheck(
        task="interactions",
        lines=table_lines(table),
        statistics=table_statistics(table),
        usable=len(table.pairs) + len(table.singles) + len(table.sets),
        quarantined=table.quarantined,
        notes=table.notes,
    )


def evaluate(run: OpenRun, arguments: EvaluateOptions, console: Console) -> Evaluation:
    """Return the scores of the facts that training held out."""
    model: InteractionPredictor = run.model
    return model.evaluate()


def predict(
    run: OpenRun, arguments: PredictInteractions, console: Console
) -> Predictions:
    """Predict the effects of sets of drugs, the most probable first."""
    if arguments.top < 0:
        raise SettingError(f"top must be 0 or more. Got {arguments.top} instead.")
    words, model = arguments.sets, run.model
    if not words:
        raise NoDataError("Name two or more drugs, or a table of sets, after RUN.")
    quarantined: Sequence[Any] = ()
    if len(words) == 1 and _is_file(words[0]):
        sets, quarantined = read_sets(words[0], cache(model.problem_of))
    else:
        sets = [words]
    found = model.predict_sets(sets)
    frame = to_frame(found, arguments.top or None, new=arguments.new)
    return Predictions(
        frame=frame,
        unit="effect",
        quarantined=quarantined,
        notes=[*notes_of(found), WARNING],
        marks={"known": "known"},
    )


def notes_of(found: Sequence[Any]) -> list[str]:
    """Return what the user should know about predictions for sets."""
    notes = []
    missing = sorted(
        {part for each in found for part in each.unsupported if len(part) > 1}
    )
    if missing:
        first = ", ".join(" + ".join(part) for part in missing[:3])
        notes.append(
            f"nothing supports a prediction for {len(missing):,} of the pairs ({first}"
            f"{', ...' if len(missing) > 3 else ''}): what these add is not counted"
        )
    if any(len(each.drugs) > 2 for each in found):
        notes.append(
            "sets of more than two drugs are predicted from their pairs and members: "
            "no trustworthy data exist for more, and no effect that needs three drugs "
            "is assumed"
        )
    return notes


def _is_file(word: str) -> bool:
    """Return whether a word names a table."""
    if Path(word).is_file():
        return True
    if word.lower().removesuffix(".gz").endswith((*TABLE_SUFFIXES, ".parquet")):
        raise NoDataError(f"There is no file {word}. Check the spelling of the path.")
    return False


def explain(run: OpenRun, arguments: ExplainInteraction, console: Console) -> Finding:
    """Explain the probability of one effect of a set of drugs."""
    model, sets = run.model.resolve([arguments.drugs])
    found = explain_set(model, sets[0], arguments.effect)
    return Finding(
        text=[*explanation_lines(found), "", f"note: {WARNING}"],
        data=explanation_json(found),
        html=lambda: explanation_page(found),
    )


def inspect(run: OpenRun, arguments: InspectInteraction, console: Console) -> Finding:
    """Show how the scores of a pair are computed."""
    model, sets = run.model.resolve([arguments.drugs])
    if len(sets[0]) != 2:
        raise DataError(f"Two drugs are inspected. Got {len(sets[0])}.")
    pair = int(sets[0][0]), int(sets[0][1])
    return inspect_pair(model, pair, arguments.effect)
