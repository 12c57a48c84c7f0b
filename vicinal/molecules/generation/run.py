"""The training run of a generator of molecules."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.core.data.csv_tables import write_csv
from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.report import Table
from vicinal.core.report.sections import split_table
from vicinal.core.report.training_report import ExtraBlocks
from vicinal.molecules.generation.corpus import MoleculeCorpus
from vicinal.molecules.generation.evaluation.samples import Samples, score_samples
from vicinal.molecules.generation.generator import MoleculeGenerator
from vicinal.molecules.generation.output.properties import describe_new_molecules
from vicinal.molecules.generation.report import (
    corpus_lines,
    corpus_statistics,
    fragment_table,
    memorisation_note,
    sample_blocks,
    sample_line,
    unlikely_blocks,
)

GENERATED = "generated.csv"
"""table of the molecules that were drawn for the evaluation"""


@dataclass
class GenerationRun(TrainingRun):
    """From molecules to a run directory with a generator of new ones."""

    estimator: MoleculeGenerator
    data: MoleculeCorpus
    domain = "generation"
    unit = "molecule"

    samples: Samples | None = field(init=False, default=None)
    """drawn from the final model, with their scores; None: not yet, or too few are held
    out"""

    drawn_notes: list[str] = field(init=False, default_factory=list)

    def describe_data(self) -> list[str]:
        return corpus_lines(self.data)

    def data_statistics(self) -> dict[str, Any]:
        return corpus_statistics(self.data)

    def split_report(self) -> Table:
        return split_table(self.estimator.split_, unit=self.unit)

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        names = pd.DataFrame({"smiles": self.data.smiles})
        return {"index": names, "splits": names.assign(split=self.estimator.split_)}

    @property
    def task(self) -> str:
        return "generation"

    @property
    def notes(self) -> list[str]:
        return [*self.data.notes, *self.drawn_notes]

    def class_names(self) -> list[str]:
        return []

    def predictions(self) -> Any:
        """Return the likelihoods of the test molecules."""
        return None if self.evaluation is None else self.evaluation.predictions

    def evaluate_model(self) -> Evaluation | None:
        """Evaluate on the test split; None where nothing can be scored."""
        return self.estimator.evaluate() if self.estimator.has_test_molecules else None

    def analyse(self) -> Iterator[str]:
        """Draw molecules from the model and the null models, and compare them."""
        estimator, count = self.estimator, self.estimator.settings_.num_samples
        found = score_samples(estimator.model_, count, estimator.random_state)
        if found is None:
            yield "too few molecules are held out to compare new molecules with"
            return
        self.samples = found
        yield f"{len(found.smiles):,} new molecules beside those of null models:"
        yield from map(sample_line, found.scores)
        self.drawn_notes = memorisation_note(found)
        yield from (f"note: {note}" for note in self.drawn_notes)

    def write_results(self) -> None:
        """Write the results, and the molecules that were drawn."""
        import pandas as pd

        if self.samples is not None:
            smiles = list(dict.fromkeys(self.samples.smiles))
            table = describe_new_molecules(self.estimator.model_, smiles)
            write_csv(self.run.path(GENERATED), pd.DataFrame(table))
        super().write_results()

    def extra_blocks(self) -> ExtraBlocks:
        model = self.estimator.model_
        shares = np.exp(model.counts.log_first)
        fragments = fragment_table(model.vocabulary.fragments, shares)
        worst = []
        if self.evaluation is not None:
            worst = unlikely_blocks(self.evaluation.predictions)
        return ExtraBlocks(sample_blocks(self.samples), worst, [fragments])

    def extra_summary(self) -> dict[str, Any]:
        found = self.samples
        return {
            "samples": [] if found is None else [s.to_dict() for s in found.scores],
            "coverage": self.estimator.model_.coverage,
        }
