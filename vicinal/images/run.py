"""From data to run folder: audit, split, train, test, report.

A TrainingRun is worked through by iterating over `steps()`, which yields sentences
and epoch records as they come; everything it finds is written to the run folder.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.core.compute.runtime import count_learned, count_parameters
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST, TRAIN, VAL, Fractions
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.evaluation.label_issues import Suspect
from vicinal.core.metrics import Score, effective_sample_size
from vicinal.core.storage.files import read_json, write_text
from vicinal.core.storage.run_folder import CHECKPOINT, Run, environment
from vicinal.core.text import counted, duration
from vicinal.core.training.trainer import Epoch, Interrupted
from vicinal.errors import NoDataError, ResumeError, VicinalError
from vicinal.images.data.audit import (
    Audit,
    ImageReader,
    ProgressCallback,
    groups_of,
    names_in,
    rows_by_group,
)
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.folders import escaped
from vicinal.images.data.read import ImageTable
from vicinal.images.data.subsample import within
from vicinal.images.estimator import ImageEstimator
from vicinal.images.report.engine_agreement import Agreement, agreement
from vicinal.images.report.label_issues import suspects_frame, suspects_of
from vicinal.images.report.report import Findings, make_report
from vicinal.images.report.training_overlap import seen_before
from vicinal.images.splits.split import divide, given_parts, with_validation
from vicinal.images.training.linear_baseline import fit_linear, thumbnails
from vicinal.images.training.linear_probe import naive_score
from vicinal.images.training.scratch_comparison import (
    TrainingComparison,
    fine_tuned_after,
    seconds_from_nothing,
)

if TYPE_CHECKING:
    from vicinal.images.explain.evidence import Evidence


@dataclass
class TrainingRun:
    """One training from data to report."""

    learner: ImageEstimator
    table: ImageTable
    run: Run
    source: str
    report_progress: ProgressCallback | None = None
    stop_requested: Callable[[], bool] = lambda: False

    audit: Audit = field(init=False)
    rows: np.ndarray = field(init=False)
    """[N] row in the table of each picture that is used"""

    parts: np.ndarray = field(init=False)
    """[N] train, val or test, for each picture that is used"""
    suspects: list[Suspect] = field(init=False, default_factory=list)
    started_at: float = field(init=False, default=0.0)
    alike: int = field(init=False, default=0)
    """pictures that have near copies, or others of their group"""

    leaky_score: Score | None = field(init=False, default=None)
    """the first answer's score if copies were dealt to folds like other pictures"""

    agreement: Agreement | None = field(init=False, default=None)
    """the engine that judged many pictures, beside float32 on torch"""

    bought: list[TrainingComparison] = field(init=False, default_factory=list)
    """what the weights brought, beside the same network from nothing"""

    evidence: "Evidence | None" = field(init=False, default=None)
    """what the answers rest on, where that was looked for"""

    first_seconds: float = field(init=False, default=0.0)
    """from the beginning to the first answer"""

    evaluation: Evaluation | None = field(init=False, default=None)
    seconds: float = field(init=False, default=0.0)

    def steps(self) -> Iterator[str | Epoch]:
        """Do everything; yield what there is to say, as it comes."""
        self.started_at = time.monotonic()
        pictures = self._look()
        yield self.understood()
        before = len(self.audit.quarantine)
        pictures = self._divide(pictures)
        yield from (f"note: {note}" for note in self.table.notes)
        if len(self.audit.quarantine) > before:
            more = counted(len(self.audit.quarantine) - before, "picture")
            why = self.audit.quarantine[before].reason
            yield f"{more} more set aside when they were divided, the first: {why}"
        if self.run.path(CHECKPOINT).exists():
            self._check_parts(pictures)
        else:
            self._write_data(pictures)
        yield self._divided()
        if self.learner.chooses:
            yield from self._choose(pictures)
            pictures = self.learner.reopened(pictures)
        yield from self._train(pictures)
        yield from self._test(pictures)
        yield from self._what_transfer_bought(pictures)
        yield from self._what_answers_rest_on(pictures)
        self.seconds = time.monotonic() - self.started_at
        self._write_results(pictures)
        yield from self._over_time()

    def _over_time(self) -> Iterator[str]:
        """A note where the user's minutes did not do."""
        minutes, took = (
            self.learner.settings.minutes,
            time.monotonic() - self.started_at,
        )
        if minutes is None or took <= LATE * 60 * minutes:
            return
        first = ""
        if self.first_seconds:
            first = f", {duration(self.first_seconds)} of it up to the first answer"
        yield (
            f"note: it took {duration(took)}{first}, where {minutes:g} min were asked "
            "for"
        )

    # --- the data ----------------------------------------------------------------

    def _look(self) -> ImageDataset:
        learner = self.learner
        eye = learner.start.eye(self.table)
        self.table = self._in_time(eye)
        self.audit, pictures = load_dataset(
            self.table,
            eye,
            channels=learner.start.channels,
            report_progress=self._looked,
        )
        self.rows = np.flatnonzero(self.audit.usable)
        return learner.grouped(pictures)

    def _in_time(self, eye: ImageReader) -> ImageTable:
        """The pictures that there is time for; those of before in a resumed run."""
        minutes, seed = self.learner.settings.minutes, self.learner.random_state
        kept = self.run.folder / "data" / "index.csv"
        if minutes is None:
            return self.table
        if not kept.exists():
            elapsed = time.monotonic() - self.started_at
            return within(self.table, eye, minutes, seed, elapsed=elapsed)
        import pandas as pd

        began = pd.read_csv(kept, dtype=str, keep_default_na=False)["path"]
        rows = np.isin([escaped(name) for name in self.table.names], began.tolist())
        return self.table.rows(rows) if rows.any() else self.table

    def _looked(self, done: int, total: int) -> None:
        if self.stop_requested():
            raise Interrupted("The look at the pictures was interrupted.")
        if self.report_progress is not None:
            self.report_progress(done, total)

    def understood(self) -> str:
        """What the data are, in a sentence."""
        n, kind = int(self.audit.usable.sum()), self.table.kind
        classes = len(self.table.rows(self.audit.usable).classes)
        what = {
            "single_label": counted(classes, "class"),
            "multi_label": f"{counted(classes, 'label')}, several each",
            "numeric": "a number each",
        }[kind]
        sizes = self.audit.size_table()
        size = f"about {sizes['width'][1]} x {sizes['height'][1]} pixels"
        aside = len(self.audit.quarantine)
        rest = f"; {aside} set aside (data/quarantine.csv says why)" if aside else ""
        return f"{counted(n, 'picture')}, {what}, {size}{rest}"

    def _choose(self, pictures: ImageDataset) -> Iterator[str]:
        """Try backbones, or take the one that this run took before it was stopped."""
        learner, kept = self.learner, self.run.path("backbones.json")
        if kept.exists():
            learner._chosen = read_json(kept)["taken"]
            return
        learner.report_progress = self._looked
        yield from learner.choose(pictures.rows(self.parts == TRAIN))
        tried = [trial.row() for trial in learner.trials_]
        self.run.write("backbones.json", {"taken": learner._chosen, "tried": tried})

    def _divide(self, pictures: ImageDataset) -> ImageDataset:
        """Set `parts` [N]; drop what would leak or cannot be scored."""
        copies = groups_of(pictures.digests)
        sizes = np.bincount(pictures.together)[pictures.together]
        self.alike = int((sizes > np.bincount(copies)[copies]).sum())
        if (given_parts(pictures.table) == TRAIN).all():  # nothing said, or train alone
            test = self.learner.test_share
            val = self.learner.val_share(len(pictures))
            fractions = Fractions(1 - val - test, val, test)
            self.parts = divide(pictures, fractions, self.learner.random_state)
        else:
            self.parts = self._given_parts(pictures)
            pictures = self._without_leaks(pictures)
            self._note_near_leaks(pictures)
        return self._without_unknown_classes(pictures)

    def _given_parts(self, pictures: ImageDataset) -> np.ndarray:
        """The user's own parts; what the user did not say is made from train.

        A validation part without a test part is taken for the test: a part that
        chooses the epoch cannot also judge it.
        """
        parts = given_parts(pictures.table)
        if not (parts == TEST).any():
            parts[parts == VAL] = TEST
        share = self.learner.val_share(int((parts == TRAIN).sum()))
        seed = self.learner.random_state
        return with_validation(parts, pictures, share, seed)

    def _without_leaks(self, pictures: ImageDataset) -> ImageDataset:
        """Leave out copies in val or test of pictures that are in train (or val)."""
        keep = np.ones(len(pictures), dtype=bool)
        rank = {TRAIN: 0, VAL: 1, TEST: 2}
        for rows in rows_by_group(groups_of(pictures.digests), keep.copy()):
            first = min(rows, key=lambda r: rank[str(self.parts[r])])
            for row in rows[self.parts[rows] != self.parts[first]]:
                keep[row] = False
                other = pictures.table.names[first]
                why = f"a copy of {other}, which is in {self.parts[first]}"
                self._set_aside(pictures, int(row), why)
        return self._keep(pictures, keep)

    def _note_near_leaks(self, pictures: ImageDataset) -> None:
        """A note where the user's own parts hold near copies of each other."""
        learned = np.unique(pictures.together[self.parts == TRAIN])
        leaks = np.isin(pictures.together, learned) & (self.parts == TEST)
        if leaks.any():
            first = pictures.table.names[int(np.flatnonzero(leaks)[0])]
            told = counted(int(leaks.sum()), "picture")
            self.table.notes.append(
                f"{told} for test have near copies in train, which flatters the score, "
                f"the first: {first}"
            )

    def _without_unknown_classes(self, pictures: ImageDataset) -> ImageDataset:
        table = pictures.table
        if table.kind == "numeric":
            return pictures
        said = [names_in(label, table.kind) for label in table.labels]
        known = set().union(*(said[k] for k in np.flatnonzero(self.parts == TRAIN)))
        keep = np.array([its <= known for its in said], dtype=bool)
        for row in np.flatnonzero(~keep):
            strange = min(said[row] - known)
            why = f"its class {strange!r} has no picture in train"
            self._set_aside(pictures, int(row), why)
        return self._keep(pictures, keep)

    def _set_aside(self, pictures: ImageDataset, row: int, why: str) -> None:
        name, label = pictures.table.names[row], str(pictures.table.labels[row])
        self.audit.quarantine.append(Quarantined(name, label, why))

    def _keep(self, pictures: ImageDataset, keep: np.ndarray) -> ImageDataset:
        self.audit.usable[self.rows[~keep]] = False
        self.rows, self.parts = self.rows[keep], self.parts[keep]
        return pictures.rows(keep)

    def _divided(self) -> str:
        """How many pictures are for what; NoDataError when none is to learn from."""
        counts = {part: int((self.parts == part).sum()) for part in (TRAIN, VAL, TEST)}
        if not counts[TRAIN]:
            raise NoDataError(
                "No picture is left for training: look into "
                f"{self.run.path('data/quarantine.csv')}, and check the split column "
                "or folders."
            )
        if counts[TRAIN] == 1:
            raise NoDataError(
                "One picture is left for training, and nothing can be learned from "
                f"one. {self.run.path('data/quarantine.csv')} says what was set aside."
            )
        purpose = PURPOSE
        settings = self.learner.settings
        if settings.weights is not None and not settings.patience:
            what = "to compare on" if settings.freeze == "all" else FOR_TUNING
            purpose = PURPOSE | {VAL: what}
        told = ", ".join(f"{n:,} {purpose[part]}" for part, n in counts.items() if n)
        return f"{told}; copies stay on one side{self._alike()}"

    def _alike(self) -> str:
        """How many pictures are in groups that are more than exact copies."""
        if not self.alike:
            return ""
        return f" ({counted(self.alike, 'picture')} with near copies or a group)"

    # --- the work ----------------------------------------------------------------

    def _train(self, pictures: ImageDataset) -> Iterator[str | Epoch]:
        learner = self.learner
        learner.report_progress, learner.started_at = self._looked, self.started_at
        epochs = learner.fit_epochs(
            pictures.rows(self.parts == TRAIN),
            validation=pictures.rows(self.parts == VAL),
            checkpoint=self.run.path(CHECKPOINT),
            stop_requested=self.stop_requested,
        )
        yield self._plan()
        if hasattr(learner, "probe_"):
            yield self._first_answer()
            yield from self._seen_in_training(pictures)
            if not self.run.path(CHECKPOINT).exists():  # resumed: a better one is there
                learner.save(self.run.folder)
        yield from self._saved_now_and_then(epochs)
        yield from self._kept()

    def _saved_now_and_then(self, epochs: Iterator[Epoch]) -> Iterator[Epoch]:
        """The epochs; the best model so far is written to the folder beside them."""
        saved, wait = time.monotonic(), SAVE_SECONDS
        for epoch in epochs:
            yield epoch
            started_at = time.monotonic()
            if epoch.best and started_at - saved > wait:
                self.learner.save_best(self.run.folder)
                saved = time.monotonic()
                wait = max(SAVE_SECONDS, 20 * (saved - started_at))  # 5 % of the time

    def _first_answer(self) -> str:
        score, seconds = self.learner.probe_.score, time.monotonic() - self.started_at
        self.first_seconds = seconds
        return (
            f"first answer after {seconds:.0f} s: {score.metric} {score}, "
            "each picture by a head that had not seen it"
        )

    def _seen_in_training(self, pictures: ImageDataset) -> Iterator[str]:
        """A note where the weights had learned from what they are tried on."""
        train = pictures.rows(self.parts == TRAIN)
        if self._count_seen(train):
            yield f"note: {self._told_seen(train, 'it')}"

    def _kept(self) -> Iterator[str]:
        """Whether fine-tuning is kept, where there was some."""
        told = self.learner.fine_tuning
        if told:
            yield told

    def _plan(self) -> str:
        learner, how = self.learner, self.learner.preprocessing_
        size = f"{how.image_size} x {how.image_size} x {how.channels}"
        parameters = count_parameters(learner.network_)
        settings, start = learner.settings, ""
        if settings.weights is not None:
            start = (
                f"starting from the weights in {settings.weights}, "
                f"{count_learned(learner.network_):,} of them learning, "
            )
        if settings.freeze == "all":
            return (
                f"{learner.backbone_} ({parameters:,} parameters) on {size} pixels, "
                f"{start}{learner.runtime_}: the last layer is fitted"
            )
        return (
            f"{learner.backbone_} ({parameters:,} parameters) on {size} pixels, "
            f"{start}{learner.runtime_}, "
            f"{self._how_long()}"
        )

    def _how_long(self) -> str:
        learner, minutes = self.learner, self.learner.settings.minutes
        epochs = counted(learner.epochs_, "epoch")
        if learner.fine_tuning_skipped_:
            return f"no fine-tuning: {learner.fine_tuning_skipped_}"
        if minutes is not None and learner.epochs is None:
            end = duration(max(60 * minutes - (time.monotonic() - self.started_at), 0))
            return f"about {epochs}, by the clock: all is done in {end}"
        seconds = duration(learner.expected_seconds_)
        return f"{epochs} at most, {seconds} if it needs them all"

    def _test(self, pictures: ImageDataset) -> Iterator[str]:
        test, train = (pictures.rows(self.parts == part) for part in (TEST, TRAIN))
        if not len(test) and hasattr(self.learner, "probe_"):
            yield from self._test_out_of_fold(train)
            return
        if not len(test):
            yield "no picture could be held out, so there is no score"
            return
        learner = self.learner
        encode = learner.objective_.encode
        y, seed = encode(train.table.labels), learner.random_state
        linear = fit_linear(learner.objective_, train, y, seed)
        linear.save(self.run.folder)
        found = learner.evaluate(test, linear=linear)
        self.evaluation = self._noting_seen(found, test)
        yield str(self.evaluation)
        yield self.evaluation.verdict

    def _what_transfer_bought(self, pictures: ImageDataset) -> Iterator[str]:
        """Train the same network from nothing, about as long as the first answer took.

        That is within bounds, and a small share of the user's minutes.
        """
        learner = self.learner
        if not hasattr(learner, "probe_") or not learner.settings.scratch:
            return
        minutes = learner.settings.minutes
        seconds = seconds_from_nothing(self.first_seconds, minutes)
        train, val = (pictures.rows(self.parts == part) for part in (TRAIN, VAL))
        frozen, probe = learner.first_on_val_, learner.probe_
        if frozen is None:  # all were learned from: one fold is held out instead
            train, val = train.rows(probe.folds != 0), train.rows(probe.folds == 0)
            own, objective = probe.folds == 0, learner.objective_
            decided = objective.decide(probe.predicted[own])
            frozen = objective.score(probe.y[own], decided, val.together)
        try:
            stop = self.stop_requested
            nothing = learner.fit_from_scratch(train, val, seconds, stop)
        except Interrupted:
            raise
        except VicinalError as error:  # such as one class left: no reason to fail
            yield f"note: nothing was trained from nothing to compare with: {error}"
            return
        first = TrainingComparison(
            "frozen, the first answer", self.first_seconds, frozen
        )
        self.bought = [TrainingComparison("from nothing", seconds, nothing), first]
        spent = sum(epoch.seconds for epoch in learner.history_)
        effective_n = effective_sample_size(np.ones(frozen.n), val.together)
        for after in (seconds, spent):
            how = learner.history_, after, frozen.metric, frozen.n
            tuned = fine_tuned_after(*how, effective_n=effective_n)
            self.bought += [tuned] if tuned else []
        on = "validation part" if learner.first_on_val_ else "first fold"
        yield (
            f"what the weights brought, on the {on}: {nothing.metric} {nothing} after "
            f"{seconds:.0f} s from nothing, {frozen} with them, frozen"
        )

    def _what_answers_rest_on(self, pictures: ImageDataset) -> Iterator[str]:
        """Look for shortcuts, where that is asked for or worth while."""
        learner, judged = self.learner, self._judged(pictures)
        tuned, settings = bool(learner.history_), learner.settings
        if not settings.looks_for_shortcuts(tuned=tuned, judged=len(judged)):
            return
        from vicinal.images.explain.evidence import evidence
        from vicinal.images.explain.shortcuts import told

        if learner.objective_.kind != "single_label":
            if settings.shortcuts == "on":
                yield "note: shortcuts are looked for among classes, and there are none"
            return
        how = {"held_out": self._has_test, "seed": learner.random_state}
        self.evidence = evidence(
            learner, judged, **how, check_interrupt=self._stop_if_asked
        )
        yield told(self.evidence.shortcuts, self.evidence.classes)

    def _stop_if_asked(self) -> None:
        if self.stop_requested():
            raise Interrupted("The look for shortcuts was interrupted.")

    def _judged(self, pictures: ImageDataset) -> ImageDataset:
        """The pictures that judge: those held out, else all, out of fold."""
        return pictures.rows(self.parts == (TEST if self._has_test else TRAIN))

    def _test_out_of_fold(self, train: ImageDataset) -> Iterator[str]:
        """All pictures are judged, each by a head that had not seen it."""
        learner, probe = self.learner, self.learner.probe_
        y = learner.objective_.encode(train.table.labels)
        linear, small = np.empty(y.shape), thumbnails(train, np.arange(len(train)))
        for fold in range(int(probe.folds.max()) + 1):
            own, others = (np.flatnonzero(probe.folds == fold), probe.folds != fold)
            seed = learner.random_state
            model = fit_linear(learner.objective_, small[others], y[others], seed)
            linear[own] = model.decide(small[own])
        fit_linear(learner.objective_, small, y).save(self.run.folder)
        groups = train.together
        found = learner.judged(train.table, probe.predicted, linear, together=groups)
        self.evaluation = self._noting_seen(found, train)
        yield f"out of fold, {probe.folds.max() + 1} folds:\n{self.evaluation}"
        yield self.evaluation.verdict

    def _count_seen(self, pictures: ImageDataset) -> int:
        """How many of the pictures the weights to start from have learned from."""
        weights = self.learner.settings.weights
        return seen_before(Path(weights), pictures) if weights is not None else 0

    def _told_seen(self, pictures: ImageDataset, what: str = "the score") -> str:
        return (
            f"the weights in {self.learner.settings.weights} had learned from "
            f"{self._count_seen(pictures)} of these {len(pictures)} pictures, so "
            f"{what} flatters the model"
        )

    def _noting_seen(self, found: Evaluation, pictures: ImageDataset) -> Evaluation:
        """The evaluation, which says so where the weights have learned from these."""
        return found.with_training_overlap(
            self._count_seen(pictures), self._told_seen(pictures)
        )

    # --- the folder --------------------------------------------------------------

    def _check_parts(self, pictures: ImageDataset) -> None:
        """ResumeError unless every picture is for what it was when the run began."""
        import pandas as pd

        path = self.run.path("data/splits.csv")
        if not path.exists():
            return
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        began = set(zip(rows["path"], rows["split"], strict=True))
        names = [escaped(name) for name in pictures.table.names]
        changed = began ^ set(zip(names, self.parts.tolist(), strict=True))
        if changed:
            raise ResumeError(
                f"The run in {self.run.folder} began with other pictures or another "
                f"split than these: {counted(len({n for n, _ in changed}), 'picture')} "
                f"differ, among them {min(changed)[0]}. Bring back the pictures of "
                "data/index.csv, or begin a new run."
            )

    def _write_data(self, pictures: ImageDataset) -> None:
        import pandas as pd

        audit, run = self.audit, self.run
        run.write("env.json", environment())
        subsample_split = dict(zip(pictures.table.names, self.parts, strict=True))
        index = pd.DataFrame(
            {
                "path": audit.table.names,
                "label": audit.table.labels,
                "usable": audit.usable,
                "width": audit.sizes[:, 0],
                "height": audit.sizes[:, 1],
                "content": [d.tobytes().hex() for d in audit.digests],
            }
        )
        splits = pd.DataFrame(
            {"path": list(subsample_split), "split": list(subsample_split.values())}
        )
        aside = pd.DataFrame(audit.quarantine, columns=["path", "label", "reason"])
        frames = {"index": index, "splits": splits, "quarantine": aside}
        for name, frame in frames.items():
            write_csv(run.path(f"data/{name}.csv"), frame)
        run.write("classes.json", list(pictures.table.classes))

    def _write_results(self, pictures: ImageDataset) -> None:
        import pandas as pd

        run, learner = self.run, self.learner
        learner.save(run.folder)
        self._look_at_labels(pictures)
        self._look_at_copies(pictures)
        judged = self._judged(pictures)
        self.agreement = agreement(learner, judged, held_out=self._has_test)
        write_csv(run.path("metrics.csv"), pd.DataFrame(learner.history_))
        if self.evaluation is not None:
            write_csv(run.path("predictions.csv"), self.evaluation.predictions)
        run.write("metrics.json", self.summary())
        report = make_report(self._findings(pictures))
        run.write("report.json", report.to_dict())
        write_text(run.path("report.html"), report.html())
        write_text(run.path("report.txt"), report.text())

    def _look_at_labels(self, pictures: ImageDataset) -> None:
        """suspects.csv, where there is a first answer to suspect by."""
        learner = self.learner
        if not hasattr(learner, "probe_") or learner.objective_.kind == "numeric":
            return
        train, objective = pictures.rows(self.parts == TRAIN), learner.objective_
        self.suspects = suspects_of(learner.probe_, objective)
        frame = suspects_frame(self.suspects, train, objective)
        write_csv(self.run.path("suspects.csv"), frame)

    @property
    def _has_test(self) -> bool:
        return bool((self.parts == TEST).any())

    def _look_at_copies(self, pictures: ImageDataset) -> None:
        learner = self.learner
        if hasattr(learner, "probe_"):
            together = pictures.rows(self.parts == TRAIN).together
            seed = learner.random_state
            self.leaky_score = naive_score(
                learner.probe_, together, learner.objective_, seed
            )

    def _findings(self, pictures: ImageDataset) -> Findings:
        return Findings(
            name=self.run.folder.name,
            source=self.source,
            understood=self.understood(),
            audit=self.audit,
            pictures=pictures,
            parts=self.parts,
            learner=self.learner,
            evaluation=self.evaluation,
            seconds=self.seconds,
            suspects=self.suspects,
            seen=self._count_seen(pictures),
            alike=self.alike,
            leaky_score=self.leaky_score,
            bought=self.bought,
            evidence=self.evidence,
            agreement=self.agreement,
        )

    def summary(self) -> dict[str, Any]:
        """What `--json` prints: score, baselines, run, seconds and counts."""
        nothing = {"score": None, "baselines": {}}
        told = self.evaluation.to_dict() if self.evaluation else nothing
        counts = {part: int((self.parts == part).sum()) for part in (TRAIN, VAL, TEST)}
        return {
            **told,
            "run": str(self.run.folder),
            "seconds": round(self.seconds, 2),
            "pictures": counts,
            "quarantined": len(self.audit.quarantine),
            "epochs": len(self.learner.history_),
            "parameters": count_parameters(self.learner.network_),
            "alike": self.alike,
            "agreement": self.agreement and self.agreement.to_dict(),
            "shortcuts": self.evidence and self.evidence.to_dict(),
            **self._transfer(),
        }

    def _transfer(self) -> dict[str, Any]:
        """The first answer, and how fine-tuning compared with it."""
        learner = self.learner
        if not hasattr(learner, "probe_"):
            return {}
        return {
            "first_answer": learner.probe_.score.to_dict(),
            "leaky_score": self.leaky_score and self.leaky_score.to_dict(),
            "bought": [row.to_dict() for row in self.bought],
            "fine_tuning": learner.comparison_ and learner.comparison_.to_dict(),
        }


LATE = 1.15
"""times the minutes, from which on a note says so"""

FOR_TUNING = "to test fine-tuning on"

SAVE_SECONDS = 60
"""between two models written while learning goes on"""

PURPOSE = {
    TRAIN: "to learn from",
    VAL: "to choose the epoch",
    TEST: "held out for the score",
}


def write_csv(path: Path, frame: Any) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, frame.to_csv(index=False))
