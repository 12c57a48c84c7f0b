"""Prediction and evaluation of images; `estimator` has `fit`."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.core.compute.runtime import Runtime, count_parameters
from vicinal.core.compute.threads import prefetch
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST
from vicinal.core.estimators.labels import check_label_kind, predictions_table
from vicinal.core.estimators.model_choice import evaluate_against_constant
from vicinal.core.estimators.supervised import SupervisedEstimator
from vicinal.core.evaluation.evaluation import Evaluation
from vicinal.core.metrics import wilson
from vicinal.core.report.notebook import html_table
from vicinal.core.text import format_percent, pluralize
from vicinal.errors import ClassError, ImageError, SettingError
from vicinal.images.data.audit import ImageReader, label_names
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decoding.decode import Preprocessing
from vicinal.images.data.decoding.in_memory import is_in_memory, scale_arrays
from vicinal.images.data.image_notes import describe_outside
from vicinal.images.data.inputs import list_images
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.data.sources.arrays import (
    refuse_images_in_columns,
    refuse_single_array,
)
from vicinal.images.data.sources.csv_tables import paths_from_frame
from vicinal.images.inference.engines import MANY_IMAGES
from vicinal.images.inference.extractor import (
    Batch,
    FeatureExtractor,
    concatenate_features,
)
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings, IntensityRange
from vicinal.images.splits.split import given_split, with_groups
from vicinal.images.training.backbone_selection import (
    TIMING_BATCH,
    BackboneTrial,
    measure_ms_per_image,
)
from vicinal.images.training.fitted_model import FittedImageModel
from vicinal.images.training.linear_baseline import BASELINE_NAME, LinearBaseline
from vicinal.images.training.linear_probe import LinearProbe

MAX_CLASSES = 12
"""classes that a notebook shows by name"""


class Prediction(NamedTuple):
    """The prediction for one image, or why there is none."""

    name: str
    predicted: np.ndarray | None
    """[K] probabilities, or the number []"""

    reason: str | None
    """why the image cannot be read"""

    unknown: bool = False
    """unlike the training images (out of distribution)"""


class ImageModel(SupervisedEstimator):
    """Base of ImageClassifier and ImageRegressor: everything but `fit`."""

    settings_type = ImageSettings
    cpu_only = ""
    settings_: ImageSettings
    fitted_type = FittedImageModel
    unit = "image"

    model_: FittedImageModel
    network_: Network
    preprocessing_: Preprocessing
    runtime_: Runtime
    backbone_: str
    options_: dict[str, Any]
    outlier_detector_: OutlierDetector | None
    probe_: LinearProbe
    """with pretrained weights only"""

    _extractor: FeatureExtractor | None = None
    explained_networks: tuple[Any, Any] | None = None
    """a cache of `tracing`: state of the weights, and networks that can be traced"""

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes without those that only this process can use."""
        own = ("_extractor", "explained_networks", "session_")
        return {name: value for name, value in vars(self).items() if name not in own}

    def read(
        self,
        X: Any,
        y: Any = None,
        group: str | None = None,
        intensity_range: IntensityRange | None = None,
        classes: Collection[str] = (),
    ) -> ImageTable:
        """Return the table of X, or of a pair (X, y); DataError for labels that misfit.

        group: the column of groups. intensity_range: of arrays of more than 8 bits.
        classes: see `read_images`.
        """
        if isinstance(X, tuple) and len(X) == 2 and y is None:
            X, y = X
        table = self.read_table(scale_arrays(X, intensity_range), y, group, classes)
        check_label_kind(table.kind, self.kinds, type(self).__name__, self.unit)
        return table

    def read_table(
        self, X: Any, y: Any, group: str | None, classes: Collection[str] = ()
    ) -> ImageTable:
        """Return the table of X with labels as this estimator takes them."""
        return read_images(X, y, group_column=group, classes=classes)

    def read_unlabelled(self, X: Any) -> ImageTable:
        """Return the table of X without looking at labels."""
        if isinstance(X, ImageTable):
            return X
        if isinstance(X, (str, Path)):
            return list_images([str(X)])
        if hasattr(X, "columns"):
            refuse_images_in_columns(X)
            return paths_from_frame(X, Path())
        if hasattr(X, "__array__") and not is_in_memory(X):
            refuse_single_array(np.shape(X), self.preprocessing_.channels)
        return read_images(scale_arrays(X, self.preprocessing_.intensity_range))

    # --- predict ---

    @property
    def extractor(self) -> FeatureExtractor:
        """Return what computes embeddings; made again when the network has changed."""
        model, found = self.model_, self._extractor
        parts = model.network, model.preprocessing, model.runtime, model.backbone
        if found is None or found.network is not parts[0] or found.runtime != parts[2]:
            settings = self.settings_
            found = FeatureExtractor(*parts, settings.precision, settings.cache)
            self._extractor = found
        return found

    def iter_predictions(self, X: Any) -> Iterator[Prediction]:
        """Yield the prediction for each image, in order, a batch at a time.

        An image that cannot be read gets a reason instead of a prediction. Memory does
        not grow with the number of images.
        """
        self.check_fitted()
        if isinstance(X, ImageDataset):
            names = X.table.names
            features = self.extractor.dataset_features(X)
            return iter(self._predictions(names, [None] * len(names), features))
        return self._iter_table(self.read_unlabelled(X))

    def _iter_table(self, table: ImageTable) -> Iterator[Prediction]:
        many = len(table) >= MANY_IMAGES
        for names, reasons, pixels in prefetch(self.read_batches(table)):
            features = self.extractor.features(pixels, many=many)
            yield from self._predictions(names, reasons, features)

    def _predictions(
        self,
        names: Sequence[str],
        reasons: Sequence[str | None],
        features: ImageFeatures,
    ) -> Iterator[Prediction]:
        """Yield predictions; features are those of the images without a reason."""
        rows = iter(())
        if len(features.embeddings):
            logits = self.extractor.logits(features.embeddings)
            unknown = self._is_unknown(features).tolist()
            rows = zip(self.predict_from_logits(logits), unknown, strict=True)
        for name, reason in zip(names, reasons, strict=True):
            if reason:
                yield Prediction(name, None, reason)
            else:
                predicted, is_unknown = next(rows)
                yield Prediction(name, predicted, None, is_unknown)

    def read_batches(self, table: ImageTable) -> Iterator[Batch]:
        """Yield names, reasons and pixels of the images of a table, batch by batch."""
        return self.extractor.read_batches(table, self.settings_.max_pixels)

    def is_unknown(self, X: Any) -> np.ndarray:
        """Return [N] bool: images unlike the training images (out of distribution).

        Of images like the training images a share of `false_alarm_rate` is flagged;
        none if too few were held out to tell.
        """
        return self._is_unknown(self._features(X))

    def _is_unknown(self, features: ImageFeatures) -> np.ndarray:
        if self.outlier_detector_ is None:
            return np.zeros(len(features.embeddings), bool)
        return self.outlier_detector_.is_unknown(features)

    def predict_values(self, X: Any) -> np.ndarray:
        """Return probabilities [N, K], or numbers [N].

        ImageError for images that cannot be read; `iter_predictions` skips them.
        """
        self.check_fitted()
        found = list(self.iter_predictions(self._complete_table(X)))
        _check_readable([(p.name, p.reason) for p in found if p.reason])
        return np.stack([p.predicted for p in found if p.predicted is not None])

    def _complete_table(self, X: Any) -> ImageTable:
        """Return the table of X; ImageError if a row was quarantined."""
        table = self.read_unlabelled(X)
        _check_readable([(row.name, row.reason) for row in table.quarantined])
        return table

    def transform(self, X: Any) -> np.ndarray:
        """Return embeddings [N, D]: the input of the last dense layer."""
        return self._features(X).embeddings

    def _features(self, X: Any) -> ImageFeatures:
        """Return the features of all images; ImageError for unreadable ones."""
        self.check_fitted()
        table, parts = self._complete_table(X), []
        many = len(table) >= MANY_IMAGES
        for names, reasons, pixels in self.read_batches(table):
            _check_readable([(n, r) for n, r in zip(names, reasons, strict=True) if r])
            parts.append(self.extractor.features(pixels, many=many))
        return concatenate_features(parts)

    def runtime_for_many(self) -> Runtime:
        """Return the runtime that predicts many images."""
        return self.extractor.engines.runtime_for(many=True)

    def predict_pixels(self, pixels: np.ndarray, *, exact: bool) -> np.ndarray:
        """Return predictions for pixels [N, S, S, C].

        exact: by the network itself in float32; else by the backend for many images.
        """
        extractor = self.extractor
        if exact:
            z = extractor.embed_exactly(pixels)
        else:
            z = extractor.embed(pixels, many=True)
        return self.predict_from_logits(extractor.logits(z))

    # --- evaluate ---

    def evaluate(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, *, linear: LinearBaseline | None = None
    ) -> Evaluation:
        """Evaluate on labelled images, beside a constant and perhaps a linear model.

        Unlike a graph, images are not part of the model: X is required.

        Images of unknown classes, and images that cannot be used, are left out and
        counted in `notes`.
        """
        self.check_fitted()
        if isinstance(X, ImageDataset):
            images, notes = X, []
        else:
            images, notes = self.read_for_scoring(X, y)
        mask, more = self._known_classes(images.table)
        images = images.rows(mask)
        features = self.extractor.dataset_features(images)
        logits = self.extractor.logits(features.embeddings)
        if self.outlier_detector_ is not None:
            rate = self.outlier_detector_.false_alarm_rate
            more += note_unknown(self._is_unknown(features), rate)
        return self.evaluate_predicted(
            images.table,
            self.predict_from_logits(logits),
            None if linear is None else linear.predict(images),
            notes + more,
            images.groups,
        )

    def evaluate_predicted(
        self,
        table: ImageTable,
        predicted: np.ndarray,
        linear: np.ndarray | None = None,
        notes: list[str] | None = None,
        groups: np.ndarray | None = None,
    ) -> Evaluation:
        """Evaluate predictions, beside a constant and the decisions of a linear model.

        groups: [N] numbers of images that are not independent.
        """
        objective = self.objective_
        y = objective.encode(table.labels)
        found = evaluate_against_constant(
            objective,
            y,
            predicted,
            self.predictions_frame(table.names, predicted, table.labels),
            self.constant_baseline_,
            notes,
            groups,
        )
        if linear is not None:
            found.add_baseline(BASELINE_NAME, objective, y, linear)
        return found

    def predictions_frame(
        self, names: Any, predicted: np.ndarray, labels: Any = None
    ) -> Any:
        """Return predictions as a table: path, label (if given), predicted, p_CLASS."""
        return predictions_table(self.objective_, names, predicted, labels, "path")

    def read_for_scoring(self, X: Any, y: Any = None) -> tuple[ImageDataset, list[str]]:
        """Return the images to score, the test split if there is one, and notes."""
        self.check_fitted()
        limits = self.preprocessing_.intensity_range
        classes = getattr(self.objective_, "classes", ())
        table, notes = self.read(X, y, None, limits, classes), []
        test = given_split(table) == TEST
        if test.any() and not test.all():
            notes.append(
                f"only the test split is scored, {test.sum()} of {len(table)} images"
            )
            table = table.rows(test)
        settings, preprocessing = self.settings_, self.preprocessing_
        reader = ImageReader.for_model(preprocessing, None, settings.max_pixels)
        audit, images = load_dataset(table, reader, channels=preprocessing.channels)
        notes += describe_outside(audit.table.names, audit.outside, limits)
        if audit.quarantine:
            notes.append(describe_first_quarantined(audit.quarantine))
        near, pattern = settings.near_duplicates, settings.group_pattern
        try:
            return with_groups(images, near, pattern), notes
        except SettingError:  # the names are others than in training
            return with_groups(images, near, None), notes

    def _known_classes(self, table: ImageTable) -> tuple[np.ndarray, list[str]]:
        """Return a mask [N] of images of known classes, and notes on the others."""
        if self.objective_.kind == "numeric":
            return np.ones(len(table), dtype=bool), []
        known = set(self.objective_.classes)
        names = [label_names(str(label), table.kind) for label in table.labels]
        mask = np.array([labels <= known for labels in names], dtype=bool)
        unknown = sorted(set().union(*names) - known)
        missing = sorted(known.difference(*(names[k] for k in np.flatnonzero(mask))))
        if not mask.any():
            raise ClassError(
                "No image is of a class that the model knows. Known: "
                f"{', '.join(sorted(known))}. Got: {', '.join(unknown)}."
            )
        notes = []
        if unknown:
            left_out = f"{pluralize(int((~mask).sum()), 'image')} left out"
            notes.append(f"unknown classes: {', '.join(unknown)} ({left_out})")
        if missing:
            notes.append(f"classes without an image here: {', '.join(missing)}")
        return mask, notes

    # --- describe ---

    @property
    def model_description(self) -> str:
        """Return what predicts: a network, fine-tuned or with a linear probe."""
        model = self.model_
        if model.linear_probe is None:
            return model.backbone
        kind = "fine-tuned" if model.is_fine_tuned else "linear probe on"
        return f"{kind} {model.backbone}"

    def _repr_html_(self) -> str:
        """Return a table of the model's properties for notebooks."""
        return html_table(repr(self), self._properties())

    def _properties(self) -> dict[str, Any]:
        if not hasattr(self, self.fitted_by):
            return {"state": "not fitted"}
        model, names = self.model_, self.objective_.classes
        side, channels = model.preprocessing.image_size, model.preprocessing.channels
        found: dict[str, Any] = {}
        if names:
            more = ", ..." if len(names) > MAX_CLASSES else ""
            shown = ", ".join(names[:MAX_CLASSES]) + more
            found["classes"] = f"{len(names)}: {shown}"
        if model.linear_probe is not None:
            found["linear probe, cross-validated"] = str(model.linear_probe.score)
        parameters = f"{count_parameters(model.network):,} parameters"
        return found | {
            "network": f"{model.backbone}, {parameters}",
            "input": f"{side} x {side} pixels, {channels} channels",
            "epochs": len(model.history),
            "runtime": str(model.runtime),
            "detects unknown images": "no" if model.outlier_detector is None else "yes",
        }


def note_unknown(unknown: np.ndarray, expected: float) -> list[str]:
    """Return a note if significantly more images [N bool] are flagged than expected."""
    n, count = len(unknown), int(unknown.sum())
    if not count or wilson(count, n)[0] <= expected:
        return []
    return [
        f"{pluralize(count, 'image')} of {n} are unlike the training images "
        f"({format_percent(count / n)}; {format_percent(expected)} are expected)"
    ]


def _check_readable(bad: list[tuple[str, str | None]]) -> None:
    """Raise an ImageError that names images that cannot be read."""
    if bad:
        shown = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise ImageError(
            f"{pluralize(len(bad), 'image')} cannot be used: {shown}{more}. Leave them "
            "out, or iterate over model.iter_predictions(X), which gives reasons."
        )


def describe_first_quarantined(quarantined: list[Quarantined]) -> str:
    """Return the number of quarantined images, and the reason of the first."""
    first = quarantined[0]
    count = pluralize(len(quarantined), "image")
    return f"{count} quarantined, for example {first.name}: {first.reason}"


def as_candidate(model: ImageModel, weights: str) -> BackboneTrial:
    """Return score, speed and size of a linear probe on the named weights."""
    preprocessing, network = model.preprocessing_, model.network_
    side = preprocessing.store_size
    shape = TIMING_BATCH, side, side, preprocessing.channels
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ms = measure_ms_per_image(lambda x: model.extractor.embed(x, many=True), pixels)
    size = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    probe = model.probe_
    decisions = model.objective_.decide(probe.predicted)
    return BackboneTrial(
        weights, model.backbone_, probe.score, ms, size / 1e6, decisions
    )
