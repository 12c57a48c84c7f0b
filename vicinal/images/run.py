"""The training run for images: audit, split, train, evaluate, analyse, report."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.compute.runtime import find_device
from vicinal.core.data.csv_tables import write_csv
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST, TRAIN, VAL
from vicinal.core.estimators.training_run import TrainingRun
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.label_issues import LabelIssue
from vicinal.core.metrics import Score
from vicinal.core.report.report import Report
from vicinal.core.storage.run_folder import read
from vicinal.core.storage.schema import Object, Text
from vicinal.core.text import pluralize
from vicinal.core.training.trainer import Epoch, TrainingInterrupted
from vicinal.errors import NoDataError, VicinalError
from vicinal.images.data.audit import Audit, ImageReader
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.image_notes import image_notes
from vicinal.images.data.read import ImageTable
from vicinal.images.data.subsample import rows_of_run, subsample_to_time
from vicinal.images.estimator import ImageEstimator
from vicinal.images.report.analyses import (
    TransferBenefit,
    compare_with_scratch,
    evaluate_out_of_fold,
    find_shortcuts,
    training_overlap,
)
from vicinal.images.report.engine_agreement import (
    FEW_IMAGES,
    MAX_IMAGES,
    Agreement,
    agreement,
)
from vicinal.images.report.label_issues import label_issue_frame, probe_label_issues
from vicinal.images.report.outliers import OUTLIER_FILE, Outliers, find_outliers
from vicinal.images.report.report import ReportData, make_report
from vicinal.images.report.split_leaks import SplitLeaks, score_with_leaks
from vicinal.images.splits.partition import (
    Partition,
    check_same_split,
    count_near_duplicates,
    partition_images,
)
from vicinal.images.splits.split import near_duplicate_timer
from vicinal.images.training.backbone_trials import TRIAL_FRACTION
from vicinal.images.training.linear_baseline import fit_linear_baseline
from vicinal.images.training.linear_probe import compute_leaky_score
from vicinal.images.training.scratch_comparison import why_not_compared
from vicinal.images.training.time_budget import note_late, seconds_left

if TYPE_CHECKING:
    from vicinal.images.explain.shortcut_analysis import ShortcutAnalysis

SAVE_SECONDS = 60
"""shortest time between two models that are saved during training"""

CHOICE = Object({"chosen": Text()}, more=True)
"""schema of backbones.json"""

PURPOSE = {TRAIN: "for training", VAL: "to choose the epoch", TEST: "for testing"}
PROBE_PURPOSE, TUNING_PURPOSE = "to compare on", "to test fine-tuning"
"""of the validation split, with pretrained weights"""


@dataclass
class ImageRun(TrainingRun):
    """From labelled images to a run directory."""

    estimator: ImageEstimator
    data: ImageTable
    audit: Audit = field(init=False)
    parts: Partition = field(init=False)
    near_duplicates: int = field(init=False, default=0)
    """images in groups that are more than exact copies"""

    leaky_score: Score | None = field(init=False, default=None)
    """with the near duplicates: of the linear probe, if they were dealt to folds like
    other images; of the user's test split, if it has any of training images"""

    leaks: SplitLeaks | None = field(init=False, default=None)
    """near duplicates of training images in the user's test split"""

    outliers: Outliers | None = field(init=False, default=None)
    """training images that are unlike the others"""

    label_issues: list[LabelIssue] = field(init=False, default_factory=list)
    agreement: Agreement | None = field(init=False, default=None)
    """the backend that predicted the test images, beside float32 on torch"""

    transfer: TransferBenefit = field(init=False, default_factory=TransferBenefit)
    shortcuts: "ShortcutAnalysis | None" = field(init=False, default=None)

    domain = "images"
    unit = "image"

    # --- data ---

    def prepare(self) -> Iterator[str]:
        """Audit and split the images, and choose a backbone if asked to."""
        estimator = self.estimator
        estimator.start_fit()
        images = self._load()
        yield from self.describe_data()
        self.data.notes.extend(image_notes(self.audit, images.reader.resize))
        before = len(self.quarantined)
        self.parts = partition_images(
            images,
            estimator.choose_val_fraction,
            estimator.choose_test_fraction(),
            estimator.random_state,
        )
        self.audit.usable[np.flatnonzero(self.audit.usable)[~self.parts.kept]] = False
        self.audit.quarantine.extend(self.parts.quarantined)
        self.data.notes.extend(self.parts.notes)
        yield from (f"note: {note}" for note in self.notes)
        if len(self.quarantined) > before:
            more = pluralize(len(self.quarantined) - before, "image")
            reason = self.quarantined[before].reason
            yield f"{more} more quarantined by the split; the first: {reason}"
        splits = self.run.path("data/splits.csv")
        check_same_split(splits, self.parts, self.run.folder)
        if not self.run.checkpoint.exists():
            self.write_data()
        yield self.describe_split()
        if estimator.must_choose_backbone:
            yield from self._choose_backbone()
            self.parts.reload(estimator.reload_images)

    def _load(self) -> ImageDataset:
        estimator = self.estimator
        reader = estimator.initialization.image_reader(self.data)
        self.data = self._subsample(reader)
        self.audit, images = load_dataset(
            self.data,
            reader,
            channels=estimator.initialization.channels,
            report_progress=self._progress,
        )
        images = estimator.with_groups(images)
        self.near_duplicates = count_near_duplicates(images)
        return images

    def _subsample(self, reader: ImageReader) -> ImageTable:
        """Return the images that fit in the time; in a resumed run those of before."""
        estimator, settings = self.estimator, self.estimator.settings_
        minutes, start = settings.minutes, estimator.initialization
        if minutes is None:
            return self.data
        if (self.run.folder / "data" / "index.csv").exists():
            return rows_of_run(self.data, self.run.folder)
        if estimator.must_choose_backbone:
            minutes *= 1 - TRIAL_FRACTION
        return subsample_to_time(
            self.data,
            reader,
            minutes,
            estimator.random_state,
            elapsed=time.monotonic() - self.started_at,
            embedding_seconds=start.embedding_timer(find_device(estimator.device)),
            search_seconds=near_duplicate_timer if settings.near_duplicates else None,
        )

    def _progress(self, done: int, total: int) -> None:
        self._raise_if_stopped()
        if self.report_progress is not None:
            self.report_progress(done, total)

    def _raise_if_stopped(self) -> None:
        if self.stop_requested():
            raise TrainingInterrupted("The run was interrupted.")

    def _choose_backbone(self) -> Iterator[str]:
        """Try backbones, or take the one that an interrupted run chose."""
        estimator, path = self.estimator, self.run.path("backbones.json")
        if path.exists():
            estimator.start_fit(read(path.parent, path.name, CHOICE)["chosen"])
            return
        counts = sum(self.split_counts().values())
        options = {"started_at": self.started_at, "num_images": counts}
        train = self.parts.train
        yield from estimator.choose_backbone(train, self._progress, **options)
        tried = [trial.to_dict() for trial in estimator.trials_]
        self.run.write("backbones.json", {"chosen": estimator.weights_, "tried": tried})

    @property
    def selects_epoch(self) -> bool:
        return self.estimator.chose_epoch_

    @property
    def quarantined(self) -> list[Quarantined]:
        return self.audit.quarantine

    def describe_data(self) -> list[str]:
        """Return number, labels and size of the images in one sentence."""
        n, kind = int(self.audit.usable.sum()), self.data.kind
        classes = len(self.data.rows(self.audit.usable).classes)
        labels = {
            "single_label": pluralize(classes, "class"),
            "multi_label": f"{pluralize(classes, 'label')}, several per image",
            "numeric": "a number each",
        }[kind]
        sizes = self.audit.size_table()
        size = f"about {sizes['width'][1]} x {sizes['height'][1]} pixels"
        count = len(self.quarantined)
        rest = f"; {count} quarantined (see data/quarantine.csv)" if count else ""
        return [f"{pluralize(n, 'image')}, {labels}, {size}{rest}"]

    def data_statistics(self) -> dict[str, Any]:
        audit = self.audit
        return {
            "images": int(audit.usable.sum()),
            "sizes": audit.size_table(),
            "grayscale": int((audit.grayscale & audit.usable).sum()),
            "formats": dict(audit.formats),
            "near_duplicates": self.near_duplicates,
        }

    def split_counts(self) -> dict[str, int]:
        return self.parts.counts

    def describe_split(self) -> str:
        """Return the size of each split; NoDataError if train is too small."""
        counts, settings = self.split_counts(), self.estimator.settings_
        if counts[TRAIN] < 2:
            raise NoDataError(
                f"{pluralize(counts[TRAIN], 'image')} in the train split; at least 2 "
                f"are needed. See {self.run.path('data/quarantine.csv')}, and check "
                "the split column or directories."
            )
        purpose = dict(PURPOSE)
        if settings.weights is not None and not settings.patience:
            frozen = settings.freeze == "all"
            purpose[VAL] = PROBE_PURPOSE if frozen else TUNING_PURPOSE
        text = ", ".join(f"{n:,} {purpose[name]}" for name, n in counts.items() if n)
        text = f"split: {text}; copies stay in one split"
        if self.near_duplicates:
            images = pluralize(self.near_duplicates, "image")
            text += f" ({images} with near duplicates or a group)"
        return text

    def data_tables(self) -> dict[str, Any]:
        import pandas as pd

        audit, parts = self.audit, self.parts
        index = {
            "path": audit.table.names,
            "label": audit.table.labels,
            "usable": audit.usable,
            "width": audit.sizes[:, 0],
            "height": audit.sizes[:, 1],
            "content": [digest.tobytes().hex() for digest in audit.digests],
        }
        splits = {"path": parts.images.table.names, "split": parts.split}
        return {"index": pd.DataFrame(index), "splits": pd.DataFrame(splits)}

    def class_names(self) -> list[str]:
        return list(self.parts.images.table.classes)

    # --- training ---

    def train(self) -> Iterator[str | Epoch]:
        """Fit the linear probe, if there are pretrained weights, and the network."""
        estimator = self.estimator
        epochs = estimator.fit_epochs(
            self.parts.train,
            validation=self.parts.val,
            checkpoint=self.run.checkpoint,
            stop_requested=self.stop_requested,
            started_at=self.started_at,
            report_progress=self._progress,
            num_test=len(self.parts.scored),
        )
        yield estimator.describe_plan()
        if hasattr(estimator, "probe_"):
            self.linear_score = estimator.probe_.score
            self.linear_seconds = time.monotonic() - self.started_at
            yield (
                f"linear probe after {self.linear_seconds:.0f} s: cross-validated "
                f"{self.linear_score.metric} {self.linear_score}"
            )
            if not estimator.probe_.fit.is_complete:
                yield "note: time was too short to fit the linear probe to its end"
            overlap, note = training_overlap(estimator, self.parts.train)
            if overlap:
                yield f"note: {note}"
            if not self.run.checkpoint.exists():  # resumed: a better model may be saved
                estimator.save(self.run.folder, overwrite=True)
        yield from self._saved(epochs)
        if estimator.comparison_text:
            yield estimator.comparison_text

    def _saved(self, epochs: Iterator[Epoch]) -> Iterator[Epoch]:
        """Yield the epochs; between them the best model so far is saved."""
        saved_at, wait = time.monotonic(), float(SAVE_SECONDS)
        for epoch in epochs:
            yield epoch
            started = time.monotonic()
            if epoch.best and started - saved_at > wait:
                self.estimator.save_best(self.run.folder)
                saved_at = time.monotonic()
                wait = max(SAVE_SECONDS, 20 * (saved_at - started))  # 5 % of the time

    # --- evaluation and analyses ---

    def evaluate_model(self) -> Evaluation | None:
        """Evaluate on the test split, or out of fold where all images train."""
        estimator, train = self.estimator, self.parts.train
        images = self.parts.scored
        if self.parts.has_test:
            y = estimator.objective_.encode(train.table.labels)
            linear = fit_linear_baseline(
                estimator.objective_, train, y, estimator.random_state
            )
            found = estimator.evaluate(images, linear=linear)
        elif hasattr(estimator, "probe_"):
            found, linear = evaluate_out_of_fold(estimator, train)
        else:
            return None
        linear.save(self.run.folder)
        return found.with_training_overlap(*training_overlap(estimator, images))

    def evaluate(self) -> Iterator[str]:
        if not self.parts.has_test and hasattr(self.estimator, "probe_"):
            folds = int(self.estimator.probe_.folds.max()) + 1
            yield f"scores are cross-validated ({folds} folds):"
        yield from super().evaluate()
        if self.evaluation is None:
            yield "no image could be held out, so there is no score"

    def analyse(self) -> Iterator[str]:
        """Compare with training from scratch; look for shortcuts and label issues."""
        estimator, train, parts = self.estimator, self.parts.train, self.parts
        if parts.leaks is not None and self.evaluation is not None:
            self.leaks = score_with_leaks(
                estimator, parts.test, self.evaluation, parts.leaks
            )
            yield self.leaks.describe()
        yield from self._compare_with_scratch()
        yield from self._find_shortcuts()
        if hasattr(estimator, "probe_"):
            objective = estimator.objective_
            if estimator.probe_.fit.is_complete:  # else there is no time for it
                self.leaky_score = compute_leaky_score(
                    estimator.probe_, train.groups, objective, estimator.random_state
                )
            if objective.kind != "numeric":
                self.label_issues = probe_label_issues(estimator.probe_, objective)
                frame = label_issue_frame(self.label_issues, train, objective)
                write_csv(self.run.path("label_issues.csv"), frame)
        self.outliers = find_outliers(estimator, train)
        if len(self.outliers.rows):
            write_csv(self.run.path(OUTLIER_FILE), self.outliers.frame(train))
            yield self.outliers.describe(train)
        has_time = seconds_left(estimator.settings_.minutes, self.started_at) > 0
        self.agreement = agreement(
            estimator,
            self.parts.scored,
            held_out=self.parts.has_test,
            max_images=MAX_IMAGES if has_time else FEW_IMAGES,
        )

    def _compare_with_scratch(self) -> Iterator[str]:
        estimator = self.estimator
        if not hasattr(estimator, "probe_") or not estimator.settings_.compare_scratch:
            return
        left = seconds_left(estimator.settings_.minutes, self.started_at)
        if reason := why_not_compared(estimator.settings_.deterministic, left):
            yield f"note: no comparison with training from scratch: {reason}"
            return
        try:
            self.transfer = compare_with_scratch(
                estimator, self.parts, self.linear_seconds, self.stop_requested, left
            )
        except TrainingInterrupted:
            raise
        except VicinalError as error:  # such as a single class left: no reason to fail
            yield f"note: no comparison with training from scratch: {error}"
            return
        yield self.transfer.text

    def _find_shortcuts(self) -> Iterator[str]:
        self.shortcuts, text = find_shortcuts(
            self.estimator,
            self.parts.scored,
            held_out=self.parts.has_test,
            check_interrupt=self._raise_if_stopped,
        )
        if text:
            yield text

    # --- results ---

    def predictions(self) -> Any:
        if self.evaluation is None:
            return None
        frame = self.evaluation.predictions.copy()
        frame.insert(1, "split", TEST if self.parts.has_test else TRAIN)
        return frame

    def finish(self) -> Iterator[str]:
        """Write the results; note if the run took longer than its minutes."""
        yield from super().finish()
        minutes, first = self.estimator.settings_.minutes, self.linear_seconds
        if note := note_late(minutes, self.seconds, first, "the linear probe"):
            yield note

    def make_report(self) -> Report:
        return make_report(
            ReportData(
                name=self.run.folder.name,
                source=self.source,
                description=self.describe_data()[0],
                audit=self.audit,
                images=self.parts.images,
                split=self.parts.split,
                estimator=self.estimator,
                evaluation=self.evaluation,
                seconds=self.seconds,
                label_issues=self.label_issues,
                training_overlap=training_overlap(self.estimator, self.parts.scored)[0],
                near_duplicates=self.near_duplicates,
                leaky_score=self.leaky_score,
                leaks=self.leaks,
                outliers=self.outliers,
                scratch_comparison=self.transfer.comparisons,
                shortcut_analysis=self.shortcuts,
                engine_agreement=self.agreement,
            )
        )

    def extra_summary(self) -> dict[str, Any]:
        leaky_score = self.leaks.score if self.leaks else self.leaky_score
        return {
            "near_duplicates": self.near_duplicates,
            "leaky_score": leaky_score and leaky_score.to_dict(),
            "scratch_comparison": [row.to_dict() for row in self.transfer.comparisons],
            "agreement": self.agreement and self.agreement.to_dict(),
            "shortcuts": self.shortcuts and self.shortcuts.to_dict(),
        }
