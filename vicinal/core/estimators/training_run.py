"""A training run: from data to a run directory with a tested model and a report.

Every domain writes the same files, with the same keys:

    env.json classes.json   data/{index,splits,quarantine}.csv
    model.json model.safetensors   checkpoints/
    metrics.csv metrics.json predictions.csv report.{html,json,txt}
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vicinal.core.compute.runtime import count_parameters
from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.core.data.quarantine import Quarantined, describe_row
from vicinal.core.data.splits import SPLITS
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import Score
from vicinal.core.report.report import Report, Table
from vicinal.core.report.sections import first_epochs, split_table
from vicinal.core.report.training_report import ExtraBlocks, RunResults, make_report
from vicinal.core.storage.files import write_text
from vicinal.core.storage.resuming import check_same_data
from vicinal.core.storage.run_folder import Run, environment, resume_hint
from vicinal.core.text import pluralize
from vicinal.core.training.history import Epoch
from vicinal.core.training.trainer import TrainingInterrupted
from vicinal.core.training.trainer_options import never_stop
from vicinal.errors import Interruption

SPLIT_PURPOSE = {
    "train": "for training",
    "val": "for validation",
    "test": "for testing",
}
NO_EVALUATION: dict[str, Any] = {
    "score": None,
    "scores": [],
    "baselines": {},
    "classes": [],
    "confusion": None,
    "calibration_error": None,
    "notes": [],
}


@dataclass
class TrainingRun:
    """Iterate over `steps()` to train, evaluate and write everything.

    The estimator is a `SupervisedEstimator`. The data have `names` [N], `labels` [N] or
    None, `kind`, `quarantined` and `notes`. A domain provides `describe_data` and
    `data_statistics`; the other methods of that part have defaults, which expect
    `estimator.split_` [N].
    """

    estimator: Any
    data: Any
    """labelled data, as they were read"""

    run: Run
    source: str
    """the data as the user named them, for the report"""

    report_progress: Callable[[int, int], None] | None = None
    """called with (done, total) during long steps"""

    stop_requested: Callable[[], bool] = never_stop
    started_at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` at the start of the time budget"""

    linear_score: Score | None = field(init=False, default=None)
    linear_seconds: float = field(init=False, default=0.0)
    """seconds until the linear baseline was evaluated and saved"""

    evaluation: Evaluation | None = field(init=False, default=None)
    """of the final model; None: nothing was held out"""

    seconds: float = field(init=False, default=0.0)
    """of the whole run, trials of backends and the report included"""

    domain: ClassVar[str]
    unit: ClassVar[str]
    """one example: image, node, pair, graph"""

    compared_on: ClassVar[str] = "on the validation split"
    """the examples on which a network is compared with the baseline"""

    epochs_between_lines: ClassVar[int] = 1
    """epochs from one that is printed to the next"""

    def steps(self) -> Iterator[str | Epoch]:
        """Do everything; yield sentences and epoch records as they come."""
        yield from self.prepare()
        yield from self.train()
        yield from self.evaluate()
        yield from self.analyse()
        yield from self.finish()

    # --- what a domain provides ---

    def describe_data(self) -> list[str]:
        """Return what was detected in the data, in sentences."""
        raise NotImplementedError

    def data_statistics(self) -> dict[str, Any]:
        """Return figures that describe the data."""
        raise NotImplementedError

    def describe_split(self) -> str:
        """Return how many examples each split has, in a sentence."""
        return f"split: {describe_counts(self.split_counts())}"

    def split_counts(self) -> dict[str, int]:
        """Return the number of examples of train, val and test."""
        split = self.estimator.split_
        return {name: int((split == name).sum()) for name in SPLITS}

    def split_report(self) -> Table:
        """Return the examples per split, by class where there are classes."""
        data, single = self.data, self.data.kind == "single_label"
        classes = self.class_names() if single else ()
        labels = data.labels if single else None
        return split_table(self.estimator.split_, labels, classes, unit=self.unit)

    def data_tables(self) -> dict[str, Any]:
        """Return the tables `index` and `splits` of data/."""
        import pandas as pd

        names, labels = self.data.names, self.data.labels
        labels = [None] * len(names) if labels is None else labels
        splits = pd.DataFrame({"id": names, "split": self.estimator.split_})
        return {
            "index": pd.DataFrame({"id": names, "label": labels}),
            "splits": splits[splits["split"] != ""],
        }

    def evaluate_model(self) -> Evaluation | None:
        """Evaluate the current model on the test split; None: nothing is held out."""
        return self.estimator.evaluate() if self.split_counts()["test"] else None

    def predictions(self) -> Any:
        """Return predictions.csv: name, split, label, predicted, probability, p_*."""
        estimator, data = self.estimator, self.data
        predicted = estimator.predict_values(data)
        frame = estimator.predictions_frame(data.names, predicted, data.labels)
        frame.insert(1, "split", estimator.split_)
        return frame

    def extra_blocks(self) -> ExtraBlocks:
        """Return what the report shows besides the blocks of every domain."""
        return ExtraBlocks()

    def analyse(self) -> Iterator[str]:
        """Do what a domain does after the evaluation."""
        yield from ()

    def extra_summary(self) -> dict[str, Any]:
        """Return the keys that only this domain's summary has."""
        return {}

    @property
    def selects_epoch(self) -> bool:
        """Return whether the validation split selects the epoch."""
        return True

    @property
    def quarantined(self) -> list[Quarantined]:
        """Return the rows that could not be used."""
        return self.data.quarantined

    @property
    def notes(self) -> list[str]:
        """Return what the user should know about the data."""
        return self.data.notes

    @property
    def task(self) -> str:
        """Return the task as --task has it."""
        return TASK_OF_KIND[self.estimator.objective_.kind]

    # --- the steps ---

    def prepare(self) -> Iterator[str]:
        """Describe the data, split them, fit and save the linear baseline."""
        yield from self.describe_data()
        if self.quarantined:
            yield (
                f"{pluralize(len(self.quarantined), 'row')} quarantined (see "
                "data/quarantine.csv); the first: "
                f"{describe_row(self.quarantined[0])}"
            )
        self.estimator.start_fit()
        self.estimator.fit_baseline(self.data)
        check_same_data(self.run, self.estimator.fingerprint())
        yield from (f"note: {note}" for note in self.notes)
        yield self.describe_split()
        self.write_data()
        found = self.evaluate_model()
        self.estimator.save(self.run.folder, overwrite=True)
        self.linear_seconds = time.monotonic() - self.started_at
        text = (
            f"{self.estimator.baseline_name} after {self.linear_seconds:.1f} s "
            f"({self.estimator.linear_description})"
        )
        if found is None:
            yield f"{text}: no score, because no {self.unit} is held out"
        else:
            self.linear_score = found.score
            yield f"{text}: {found.score.metric} {found.score}"

    def train(self) -> Iterator[str | Epoch]:
        """Train networks, and say how they compare with the linear baseline."""
        estimator, noted = self.estimator, len(self.notes)
        skipped: Epoch | None = None
        for epoch in estimator.train_network(
            self.started_at, self.run.checkpoint, self.stop_requested
        ):
            if epoch.epoch == 1:
                yield from filter(None, [skipped])  # the last of the network before
                number = len(first_epochs(estimator.history_))
                yield f"network {number} ({estimator.network_name}):"
            skipped = epoch if epoch.epoch % self.epochs_between_lines else None
            if skipped is None:
                yield epoch
        yield from filter(None, [skipped])
        yield from (f"note: {note}" for note in self.notes[noted:])
        if estimator.comparison_ is not None:
            trained = len(first_epochs(estimator.history_))
            number = max(trained, len(estimator.final_networks))
            networks, baseline = pluralize(number, "network"), estimator.baseline_name
            yield (
                f"{networks} against the {baseline}, "
                f"{self.compared_on}: {estimator.comparison_text}"
            )
        elif estimator.comparison_text:
            yield estimator.comparison_text

    def evaluate(self) -> Iterator[str]:
        """Evaluate the final model beside the baselines."""
        self.evaluation = self.evaluate_model()
        if self.evaluation is not None:
            yield str(self.evaluation)
            yield self.evaluation.verdict

    def finish(self) -> Iterator[str]:
        """Write the model, the predictions and the report; metrics.json is last."""
        self.write_results()
        yield from ()

    # --- files ---

    def write_data(self) -> None:
        """Write env.json, classes.json and the tables of data/."""
        import pandas as pd

        self.run.write("env.json", environment())
        columns = list(Quarantined._fields)
        quarantine = pd.DataFrame(self.quarantined, columns=columns)
        for name, frame in {**self.data_tables(), "quarantine": quarantine}.items():
            path, for_people = self.run.path(f"data/{name}.csv"), name == "quarantine"
            write_csv(path, frame, escape=for_people)
        self.run.write("classes.json", self.class_names())

    def class_names(self) -> list[str]:
        """Return the names of the classes; empty for regression."""
        return list(self.estimator.objective_.classes)

    def write_results(self) -> None:
        """Write the model, metrics, predictions and the report."""
        import pandas as pd

        run, history = self.run, self.estimator.history_
        self.estimator.save(run.folder, overwrite=True)
        columns = list(Epoch._fields)
        write_csv(run.path("metrics.csv"), pd.DataFrame(history, columns=columns))
        predictions = self.predictions()
        if predictions is not None:
            write_csv(run.path("predictions.csv"), predictions)
        self.seconds = time.monotonic() - self.started_at
        report = self.make_report()
        run.write("report.json", report.to_dict())
        write_text(run.path("report.html"), report.html())
        write_text(run.path("report.txt"), report.text())
        self.seconds = time.monotonic() - self.started_at
        run.write("metrics.json", self.summary())

    def summary(self) -> dict[str, Any]:
        """Return the result as JSON: the same keys in every domain, and a few more."""
        estimator, found = self.estimator, self.evaluation
        evaluation = NO_EVALUATION if found is None else found.to_dict()
        comparison = estimator.comparison_
        return {
            "domain": self.domain,
            "task": self.task,
            "run": str(self.run.folder),
            **evaluation,
            "verdict": None if found is None else found.verdict,
            "model": estimator.model_description,
            "comparison": comparison and comparison.to_dict(),
            "linear_score": self.linear_score and self.linear_score.to_dict(),
            "linear_seconds": round(self.linear_seconds, 2),
            "splits": self.split_counts(),
            "quarantined": len(self.quarantined),
            "data": self.source,
            "statistics": self.data_statistics(),
            "epochs": len(estimator.history_),
            "networks": len(estimator.final_networks),
            "parameters": sum(map(count_parameters, estimator.final_networks)),
            "seconds": round(self.seconds, 2),
            "notes": [*self.notes, *evaluation["notes"]],
            **self.extra_summary(),
        }

    def make_report(self) -> Report:
        """Return the report."""
        return make_report(
            self.estimator,
            RunResults(
                name=self.run.folder.name,
                source=self.source,
                unit=self.unit,
                description=[*self.describe_data(), self.describe_split()],
                splits=self.split_report(),
                quarantined=self.quarantined,
                notes=self.notes,
                evaluation=self.evaluation,
                linear_score=self.linear_score,
                linear_seconds=self.linear_seconds,
                seconds=self.seconds,
                selects_epoch=self.selects_epoch,
                extra=self.extra_blocks(),
            ),
        )


@contextlib.contextmanager
def resume_hint_on_signal(folder: Path) -> Iterator[None]:
    """Raise Interruption, which names the command to resume a run, on a signal."""
    try:
        yield
    except (TrainingInterrupted, KeyboardInterrupt):
        raise Interruption(f"Interrupted. {resume_hint(folder)}".strip()) from None


def describe_counts(counts: dict[str, int]) -> str:
    """Return the size of each split that is not empty, in words."""
    return ", ".join(f"{n:,} {SPLIT_PURPOSE[name]}" for name, n in counts.items() if n)
