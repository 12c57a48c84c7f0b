"""What the commands do for new molecules."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from rdkit import Chem

from vicinal.core.data.quarantine import quarantine_lines
from vicinal.core.domain import OpenRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console, Counter
from vicinal.core.report.data_check import DataCheck
from vicinal.core.report.finding import Finding
from vicinal.core.report.predictions import records
from vicinal.core.settings import is_integer
from vicinal.errors import DataError, NoteWarning, SettingError
from vicinal.molecules.data.parse import parse_molecule
from vicinal.molecules.generation.corpus import MoleculeCorpus, read_corpus
from vicinal.molecules.generation.domain import (
    CheckGenerationData,
    EvaluateGenerator,
    ExplainMoleculeGrowth,
    GenerateMolecules,
    GenerationData,
)
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.grammar.fragments import without_stereo
from vicinal.molecules.generation.history import trace_growth
from vicinal.molecules.generation.optimisation.run_objective import (
    is_model,
    objective_of,
)
from vicinal.molecules.generation.optimisation.search import SearchResult
from vicinal.molecules.generation.output.files import writers
from vicinal.molecules.generation.output.history_page import history_finding
from vicinal.molecules.generation.output.properties import describe_new_molecules
from vicinal.molecules.generation.report import corpus_lines, corpus_statistics
from vicinal.molecules.settings import MoleculeColumns

MAX_PRINTED = 20
"""molecules that are printed"""


def read(
    data: str, options: GenerationData, parameters: dict[str, Any]
) -> tuple[MoleculeCorpus, str]:
    """Read the molecules of a training run: (molecules, task)."""
    columns = MoleculeColumns(
        smiles_columns=parameters.get("smiles_columns"), target_columns=()
    )
    return read_corpus(data, columns, Counter("rows read")), "generation"


def check(data: str, arguments: CheckGenerationData, console: Console) -> DataCheck:
    """Return what the molecules are, and which rows cannot be used."""
    named = arguments.smiles_columns
    columns = MoleculeColumns(
        smiles_columns=None if named is None else (named,), target_columns=()
    )
    found = read_corpus(data, columns, Counter("rows read"))
    return DataCheck(
        task="generation",
        lines=corpus_lines(found),
        statistics=corpus_statistics(found),
        usable=len(found),
        quarantined=found.quarantined,
        notes=found.notes,
    )


def evaluate(
    run: OpenRun, arguments: EvaluateGenerator, console: Console
) -> Evaluation:
    """Evaluate on the run's own test split, or on other molecules."""
    generator: MoleculeGenerator = run.model
    if arguments.data is None:
        return generator.evaluate()
    if run.is_data(arguments.data):
        console.print("this is the data of the run: its test split is evaluated")
        return generator.evaluate()
    columns = MoleculeColumns(
        smiles_columns=generator.settings_.smiles_columns, target_columns=()
    )
    corpus = read_corpus(arguments.data, columns, Counter("rows read"), least=1)
    found = generator.evaluate(corpus)
    scored = set(found.predictions["smiles"])
    overlap = len(scored & generator.model_.training_smiles)
    found = found.with_training_overlap(overlap)
    return found.with_quarantine(corpus.quarantined)


def generate(run: OpenRun, arguments: GenerateMolecules, console: Console) -> Finding:
    """Draw new molecules, decorate a core, or search for high scores."""
    import pandas as pd

    generator: MoleculeGenerator = run.model
    _check_arguments(arguments)
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NoteWarning)
        if arguments.searches:
            start = _read_start(arguments, notes)
            smiles, scores = _search(generator, arguments, start, console)
        else:
            smiles, scores = _draw(generator, arguments), {}
    notes += [str(w.message) for w in caught if issubclass(w.category, NoteWarning)]
    if any(is_model(name) for name in arguments.objectives):
        limited = "molecules unlike those of a property model's training have no score"
        notes += [] if arguments.extrapolate else [f"{limited} (--extrapolate)"]
    progress = console.progress_bar("described")
    found = describe_new_molecules(generator.model_, smiles, progress)
    frame = pd.DataFrame(found)
    for k, (name, values) in enumerate(scores.items(), 1):
        frame.insert(k, name, values)
    known = sum(each.is_known for each in found)
    if known:
        notes.append(
            f"molecules of the training file among these {len(frame):,}: {known:,} "
            "(column is_known); --novel leaves them out"
        )
    title = f"Molecules from {run.name}"
    return Finding(
        [*_lines(frame), *(f"note: {note}" for note in notes)],
        {
            "n": len(frame),
            "molecules": records(frame),
            "notes": notes,
        },
        writers=writers(frame, title, notes),
    )


def _check_arguments(arguments: GenerateMolecules) -> None:
    """Raise SettingError for flags that do not go together."""
    searches, defaults = arguments.searches, GenerateMolecules()
    if searches and arguments.grow is not None:
        raise SettingError("--grow and --optimise do not go together: choose one.")
    for name in ("budget", "use_network", "start", "extrapolate"):
        if not searches and getattr(arguments, name) != getattr(defaults, name):
            named = name.replace("_", "-")
            raise SettingError(f"--{named} needs --optimise or --minimise.")
    if searches and arguments.temperature != defaults.temperature:
        raise SettingError("--temperature and --optimise do not go together.")
    for name in ("number", "budget"):
        if not is_integer(getattr(arguments, name), 1):
            value = getattr(arguments, name)
            raise SettingError(
                f"{name} must be a whole number, 1 or more. Got {value} instead."
            )


def _draw(generator: MoleculeGenerator, arguments: GenerateMolecules) -> list[str]:
    """Draw molecules, or decorate a core."""
    options: dict[str, Any] = {
        "temperature": arguments.temperature,
        "min_weight": arguments.min_weight,
        "max_weight": arguments.max_weight,
        "unique": True,
        "novel": arguments.novel,
        "random_state": arguments.seed,
    }
    if arguments.grow is not None:
        return generator.grow(arguments.grow, arguments.number, **options)
    return generator.sample(arguments.number, **options)


def _read_start(arguments: GenerateMolecules, notes: list[str]) -> list[str] | None:
    """Return the molecules that a search starts from; add notes on them."""
    if arguments.start is None:
        return None
    columns = MoleculeColumns(target_columns=())
    found = read_corpus(arguments.start, columns, least=1)
    notes += [f"{arguments.start}: {note}" for note in found.notes]
    notes += quarantine_lines(found.quarantined, "`vicinal check` lists all")
    return found.smiles


def _search(
    generator: MoleculeGenerator,
    arguments: GenerateMolecules,
    start: list[str] | None,
    console: Console,
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Search; return the best molecules within the limits, and columns of scores."""
    high, low = arguments.optimise or (), arguments.minimise or ()
    anywhere = arguments.extrapolate
    objectives = [objective_of(name, extrapolate=anywhere) for name in high]
    objectives += [
        objective_of(name, minimise=True, extrapolate=anywhere) for name in low
    ]
    found = generator.optimise(
        objectives if len(objectives) > 1 else objectives[0],
        arguments.budget,
        start=start,
        min_weight=arguments.min_weight,
        max_weight=arguments.max_weight,
        novel=arguments.novel,
        random_state=arguments.seed,
        use_network=arguments.use_network,
        report_progress=console.progress_bar("scored"),
    )
    columns = _score_columns(found, high, low)
    console.print(f"{len(found.smiles):,} molecules with a score")
    for name, values in columns.items():
        best = np.min(values) if name in low else np.max(values)
        console.print(f"  best {name}: {best:.4g}")
    count = arguments.number
    if len(columns) == 1:
        (values,) = columns.values()
        return found.smiles[:count], {"score": values[:count]}
    front = set(found.front)
    console.print(f"  {len(front):,} are dominated by no other")
    marks = np.array([smiles in front for smiles in found.smiles[:count]])
    scores = {f"score {name}": values[:count] for name, values in columns.items()}
    return found.smiles[:count], {**scores, "non_dominated": marks}


def _score_columns(
    found: SearchResult, high: Sequence[str], low: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the scores by objective, of those that were minimised as they are."""
    signs = np.repeat([1, -1], [len(high), len(low)])
    table = np.round(signs * found.scores.reshape(len(found.smiles), -1), 6)
    return dict(zip([*high, *low], table.T, strict=True))


def _lines(frame: Any) -> list[str]:
    """Return the first molecules as lines of text."""
    rows = frame.head(MAX_PRINTED).to_dict("records")
    width = min(60, max(len(row["smiles"]) for row in rows))
    lines = []
    for row in rows:
        score = "".join(f"{k} {row[k]:.4g}  " for k in row if k.startswith("score"))
        flagged = f"  alerts: {row['alerts']}" if row["alerts"] else ""
        lines.append(
            f"{row['smiles']:<{width}}  {score}weight {row['weight']:.0f}  "
            f"logP {row['logp']:.1f}  QED {row['qed']:.2f}  "
            f"SA {row['synthetic_accessibility']:.1f}  "
            f"nearest {row['similarity']:.2f}{flagged}"
        )
    if len(frame) > MAX_PRINTED:
        rest = len(frame) - MAX_PRINTED
        lines.append(f"... and {rest:,} more (--output FILE.csv takes all)")
    return lines


def explain(
    run: OpenRun, arguments: ExplainMoleculeGrowth, console: Console
) -> Finding:
    """Show how a molecule grows, and the probability of each fragment."""
    if not is_integer(arguments.top, 1):
        raise SettingError(f"top must be 1 or more. Got {arguments.top} instead.")
    parsed = parse_molecule(arguments.molecule)
    if parsed.mol is None:
        raise DataError(
            f"The molecule must be a structure. Got {arguments.molecule!r}: "
            f"{parsed.reason}."
        )
    mol, notes = parsed.mol, list(parsed.notes)
    flat = without_stereo(mol)
    if Chem.MolToSmiles(flat) != Chem.MolToSmiles(mol):
        notes.append("stereochemistry was dropped: the generator has none")
    if len(Chem.GetMolFrags(flat)) > 1:
        raise DataError(
            "The molecule must be connected: several molecules do not grow together. "
            f"Got {arguments.molecule!r}."
        )
    return history_finding(trace_growth(run.model.model_, flat, arguments.top), notes)
