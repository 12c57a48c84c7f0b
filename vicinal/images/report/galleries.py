"""Galleries of a report: the largest errors, and augmented training images."""

from typing import Any

import numpy as np
import torch

from vicinal.core.compute.runtime import seeded_generator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.objective import Objective
from vicinal.core.report.plots import jpeg_base64
from vicinal.core.report.report import Block, Gallery, Thumbnail
from vicinal.images.data.dataset import ImageDataset
from vicinal.images.estimator import ImageEstimator
from vicinal.images.training.augment import (
    Augmentation,
    augment_batch,
    choose_augmentation,
)

MAX_THUMBNAILS = 12


def error_gallery(
    evaluation: Evaluation, images: ImageDataset, objective: Objective
) -> list[Block]:
    """Show the most confident errors, or the largest errors of a regression.

    images: those that were evaluated, in the order of the predictions.
    """
    error = _error_sizes(evaluation, images, objective)
    order = np.argsort(-error, kind="stable")[:MAX_THUMBNAILS]
    rows = [row for row in order if error[row] > 0]
    if not rows:
        return []
    predictions = evaluation.predictions
    thumbnails = [
        Thumbnail(jpeg_base64(pixels), _error_caption(predictions.iloc[row]))
        for pixels, row in zip(images.batch(np.array(rows)), rows, strict=True)
    ]
    numeric = objective.kind == "numeric"
    caption = "Largest errors" if numeric else "Most confident errors"
    return [Gallery(thumbnails, f"{caption}, in decreasing order.")]


def _error_sizes(
    evaluation: Evaluation, images: ImageDataset, objective: Objective
) -> np.ndarray:
    """Return the error of each prediction [N], 0 for a correct one."""
    table = evaluation.predictions
    if objective.kind == "numeric":
        return (table["label"].astype(float) - table["predicted"]).abs().to_numpy()
    if objective.kind == "single_label":
        wrong = (table["label"].astype(str) != table["predicted"]).to_numpy()
        return np.where(wrong, table["probability"], 0)
    columns = [f"p_{name}" for name in evaluation.classes]
    targets = objective.encode(table["label"].tolist())
    error = np.abs(table[columns].to_numpy() - targets).max(axis=1)
    return np.where(error > 0.5, error, 0)


def _error_caption(row: Any) -> list[str]:
    predicted = row["predicted"]
    predicted = f"{predicted:.4g}" if isinstance(predicted, float) else predicted
    probability = f" ({row['probability']:.2f})" if "probability" in row else ""
    label = row["label"]
    label = f"{label:.4g}" if isinstance(label, float) else label
    return [f"true: {label}", f"predicted: {predicted}{probability}", str(row["path"])]


def augmentation_gallery(
    estimator: ImageEstimator, images: ImageDataset
) -> list[Block]:
    """Show some training images as the network was trained on them.

    Nothing without augmentation.
    """
    preprocessing = estimator.preprocessing_
    augmentation = choose_augmentation(estimator.settings_.augment, preprocessing)
    if augmentation == Augmentation() or not len(images):
        return []
    count = min(MAX_THUMBNAILS, len(images))
    rows = np.linspace(0, len(images) - 1, count).astype(int)
    generator = seeded_generator(estimator.random_state, 11)
    stored = torch.from_numpy(images.batch(rows))
    x = augment_batch(stored, augmentation, preprocessing, generator)
    mean, std = torch.tensor([preprocessing.mean, preprocessing.std]).view(2, -1, 1, 1)
    pixels = (255 * (x * std + mean)).round().clamp(0, 255).byte()
    labels = images.table.labels[rows]
    thumbnails = [
        Thumbnail(jpeg_base64(image), [_format_label(label)])
        for image, label in zip(pixels.movedim(1, -1).numpy(), labels, strict=True)
    ]
    return [Gallery(thumbnails, "Training images after random augmentation.")]


def _format_label(label: Any) -> str:
    return f"{label:.4g}" if isinstance(label, float) else str(label)
