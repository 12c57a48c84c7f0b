"""`evaluate`, `predict` and `report` for images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.core.data.labels import TASK_OF_KIND
from vicinal.core.domain import OpenRun, Outcome
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.report.console import Console, print_note
from vicinal.core.report.report import Section
from vicinal.core.storage.files import predictions_path
from vicinal.core.storage.run_folder import refuse_run_as_data
from vicinal.errors import NoDataError
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import read_images
from vicinal.images.domain import EvaluateImages, PredictImages, ReportImages
from vicinal.images.predict import predict_all
from vicinal.images.report import extra_sections, training_overlap
from vicinal.images.training.linear_baseline import LinearBaseline


def evaluate(run: OpenRun, arguments: EvaluateImages, console: Console) -> Evaluation:
    """Evaluate on labelled images; those of the run's training split are reported."""
    model, target = run.model, arguments.target
    if target is None and Path(arguments.data).is_file():
        target = run.trained_target()
    task: Any = TASK_OF_KIND[model.objective_.kind]
    classes = getattr(model.objective_, "classes", ())
    table = read_images(arguments.data, task=task, target=target, classes=classes)
    images, notes = model.read_for_scoring(table)
    linear = LinearBaseline.load(run.path, model.objective_, model.preprocessing_)
    found = model.evaluate(images, linear=linear)
    found.notes[:0] = notes + training_overlap.note_near_duplicates(run.path, images)
    scored = np.isin(images.table.names, found.predictions["path"])
    images = images.rows(scored)
    overlap = training_overlap.count_training_overlap(run.path, images)
    found = found.with_training_overlap(overlap)
    if arguments.output is not None and table.root is not None:
        paths = [str(table.root / name) for name in found.predictions["path"]]
        found = replace(found, predictions=found.predictions.assign(path=paths))
    return found


def predict(run: OpenRun, arguments: PredictImages, console: Console) -> Outcome:
    """Predict images, as many as there are, without holding them in memory."""
    if not arguments.inputs:
        raise NoDataError("Name at least one image, directory or CSV after RUN.")
    for name in arguments.inputs:
        refuse_run_as_data(name)
    output = predictions_path(arguments.output)
    table = list_images(arguments.inputs)
    for note in table.notes:
        print_note(f"note: {note}")
    return predict_all(run.model, table, output, console, keep=console.json)


def add_report_sections(
    run: OpenRun, arguments: ReportImages, console: Console
) -> tuple[list[Section], Outcome]:
    """Return the sections that are asked for, and the same as JSON."""
    makers = {}
    if arguments.shortcuts:
        makers["shortcuts"] = extra_sections.shortcut_section
    if arguments.compare_dense:
        makers["dense_comparison"] = extra_sections.dense_comparison_section
    sections, outcome = [], {}
    for name, make_section in makers.items():
        section, outcome[name] = make_section(run.path, run.model, console.print)
        sections.append(section)
    return sections, outcome
