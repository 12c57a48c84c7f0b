"""A trained network for pictures: it answers, is judged, and is kept.

How it learned is `learner`'s business.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from vicinal.core import objective as objectives
from vicinal.core.compute.runtime import Runtime, find_device
from vicinal.core.compute.threads import prefetch
from vicinal.core.data.quarantine import Quarantined
from vicinal.core.data.splits import TEST
from vicinal.core.estimators.estimator import Estimator, read_weights, save_model
from vicinal.core.evaluation.evaluation import Evaluation, evaluate_predictions
from vicinal.core.metrics import wilson
from vicinal.core.objective import Objective
from vicinal.core.storage.checkpoint import under
from vicinal.core.text import counted, percent
from vicinal.core.training.trainer import Epoch
from vicinal.errors import ClassError, DataError, ImageError, SettingError
from vicinal.images.data.audit import ImageReader, looks, names_in
from vicinal.images.data.csv_tables import listed
from vicinal.images.data.dataset import ImageDataset, load_dataset
from vicinal.images.data.decode import Preprocessing, to_channels
from vicinal.images.data.inputs import list_pictures
from vicinal.images.data.read import ImageTable, read_images
from vicinal.images.inference.engines import MANY, Engines, engine
from vicinal.images.inference.out_of_distribution import ImageFeatures, OutlierDetector
from vicinal.images.inference.pixel_statistics import surface
from vicinal.images.networks import build
from vicinal.images.networks.base import Network
from vicinal.images.settings import ImageSettings
from vicinal.images.splits.split import given_parts, grouped
from vicinal.images.training.linear_baseline import NAME as LINEAR
from vicinal.images.training.linear_baseline import LinearModel
from vicinal.images.weights.transfer import KNOWN

PREDICT_BATCH = 64


class Prediction(NamedTuple):
    """What a model says of one picture, or why it can say nothing."""

    name: str
    predicted: np.ndarray | None
    """[K] probabilities, or the number []"""

    reason: str | None

    unknown: bool = False
    """whether it is unlike anything that was learned from"""


class ImageModel(Estimator):
    """What ImageClassifier and ImageRegressor can do once they have learned."""

    settings_type = ImageSettings
    fitted_by = "history_"
    kinds: ClassVar[tuple[str, ...]]
    """kinds of labels that it learns"""

    random_state: int
    device: str
    epochs: int | None
    network_: Network
    objective_: Objective
    preprocessing_: Preprocessing
    runtime_: Runtime
    history_: list[Epoch]
    constant_baseline_: list[float]
    temperature_: float
    """what logits are divided by, so that held-out pictures are as sure as they are
    right; 1 where nothing was held out"""

    known_: OutlierDetector | None
    """what is known, and from where on a picture is called unknown; None: not asked
    for, or nothing was held out to tell by"""

    backbone_: str
    options_: dict[str, Any]
    _learning = False
    """whether the weights are changing: what is prepared from them would be stale"""

    def read(self, X: Any, y: Any = None, group: str | None = None) -> ImageTable:
        """The table of X, checked to hold labels of a kind that this one learns."""
        pair = isinstance(X, tuple) and len(X) == 2 and y is None
        table = self._read(X[0], X[1], group) if pair else self._read(X, y, group)
        if table.kind == "none":
            raise DataError(
                "The pictures have no labels. Give them as y: fit(x, y), or as the "
                "pair (x, y)."
            )
        if table.kind not in self.kinds:
            raise DataError(
                f"{type(self).__name__} learns from labels that are "
                f"{' or '.join(self.kinds)}; these are {table.kind}. Names or whole "
                "numbers are for ImageClassifier, amounts for ImageRegressor."
            )
        return table

    def _read(self, X: Any, y: Any, group: str | None) -> ImageTable:
        return read_images(X, y, group=group)

    def _build(self) -> Network:
        return build(
            self.backbone_,
            num_classes=self.objective_.outputs,
            in_channels=self.preprocessing_.channels,
            image_size=self.preprocessing_.image_size,
            **self.options_,
        )

    # --- answering ---------------------------------------------------------------

    def answers(self, X: Any) -> Iterator[Prediction]:
        """What the model says of each picture, in order, a batch at a time.

        A picture that cannot be read gets a reason in place of an answer. Memory does
        not grow with the number of pictures.
        """
        self.check_fitted()
        if isinstance(X, ImageDataset):
            return self._answers_of(X)
        return self._answers(self._unlabelled(X))

    def _unlabelled(self, X: Any) -> ImageTable:
        """The table of X; labels that it has are not looked at."""
        if isinstance(X, ImageTable):
            return X
        if isinstance(X, (str, Path)):
            return list_pictures([str(X)])
        if hasattr(X, "columns"):
            return listed(X, Path(), "the table")
        shape = np.asarray(X).shape if hasattr(X, "__array__") else ()
        if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)):
            raise DataError(
                f"A batch of pictures [N, H, W(, C)] was wanted and one of shape "
                f"{list(shape)} was given. For one picture use x[None]."
            )
        return read_images(X)

    def _answers(self, table: ImageTable) -> Iterator[Prediction]:
        many = len(table) >= MANY
        for names, reasons, pixels in prefetch(self._batches(table)):
            said = iter(self._said(self._seen(pixels, many=many)))
            for name, reason in zip(names, reasons, strict=True):
                yield Prediction(name, None, reason) if reason else next(said)(name)

    def _batches(
        self, table: ImageTable
    ) -> Iterator[tuple[list[str], list[str | None], np.ndarray]]:
        """Names, reasons and the pixels of the readable pictures, a batch at a time."""
        how = self.preprocessing_
        # one pass over many pictures would only push useful entries out of the cache
        eye = ImageReader(how.store_size, how.resize, None, self.settings.max_pixels)
        found = zip(table.names, looks(table, eye), strict=True)
        while part := list(islice(found, PREDICT_BATCH)):
            good = [look.pixels for _, look in part if look.pixels is not None]
            pixels = [to_channels(p, how.channels) for p in good]
            empty = np.empty(
                (0, how.store_size, how.store_size, how.channels), np.uint8
            )
            yield (
                [name for name, _ in part],
                [look.reason for _, look in part],
                np.stack(pixels) if pixels else empty,
            )

    def _answers_of(self, pictures: ImageDataset) -> Iterator[Prediction]:
        said = self._said(self._seen_of(pictures))
        for name, answer in zip(pictures.table.names, said, strict=True):
            yield answer(name)

    def _said(self, seen: ImageFeatures) -> Iterator[Callable[[str], Prediction]]:
        """An answer for each picture that was seen, to be given its name."""
        z = torch.from_numpy(seen.embeddings)
        if not len(z):
            return
        predicted, unknown = self._predict(self._logits(z)), self._unknown(seen)
        for row, strange in zip(predicted, unknown.tolist(), strict=True):
            yield lambda name, r=row, u=strange: Prediction(name, r, None, u)

    def _unknown(self, seen: ImageFeatures) -> np.ndarray:
        if self.known_ is None:
            return np.zeros(len(seen.embeddings), bool)
        return self.known_.is_unknown(seen)

    def is_unknown(self, X: Any) -> np.ndarray:
        """Whether each picture [N] is unlike anything that was learned from.

        Of new pictures of the kind that was learned, a share of `false_alarm` is called
        so (`images.known`); none where too few were held out to say.
        """
        return self._unknown(_joined(list(self._all_seen(X))))

    def _predict(self, logits: Tensor) -> np.ndarray:
        """Calibrated probabilities [N, K], or numbers [N]."""
        if self.objective_.kind == "numeric":
            return self.objective_.predict(logits)
        return self.objective_.predict(logits / self.temperature_)

    def _logits_of(self, pictures: ImageDataset) -> Tensor:
        """Logits [N, K] of decoded pictures."""
        return self._logits(self._embeddings_of(pictures))

    def _embeddings_of(self, pictures: ImageDataset) -> Tensor:
        """Embeddings [N, D] of decoded pictures."""
        rows, many = np.arange(len(pictures)), len(pictures) >= MANY
        parts = [rows[i : i + PREDICT_BATCH] for i in rows[::PREDICT_BATCH]]
        return torch.cat([self._embed(pictures.batch(p), many=many) for p in parts])

    def _seen_of(self, pictures: ImageDataset) -> ImageFeatures:
        """What is seen of decoded pictures."""
        rows, many = np.arange(len(pictures)), len(pictures) >= MANY
        parts = [rows[i : i + PREDICT_BATCH] for i in rows[::PREDICT_BATCH]]
        return _joined([self._seen(pictures.batch(p), many=many) for p in parts])

    def _seen(self, pixels: np.ndarray, *, many: bool) -> ImageFeatures:
        """What is seen of pixels [B, S, S, C], as one of so many pictures."""
        return ImageFeatures(self._embed(pixels, many=many).numpy(), surface(pixels))

    _inside: tuple[Any, Any] | None = None
    """the state of the weights, and the network in the forms for looking inside"""

    _engines: Engines | None = None
    """what answers; made anew when the weights have changed"""

    def _answering(self) -> Engines:
        if self._engines is None:
            self._engines = Engines(
                self.network_,
                self.preprocessing_,
                self.runtime_,
                self.backbone_,
                self.settings.precision,
                self.settings.cache,
            )
        return self._engines

    def _embed(self, pixels: np.ndarray, *, many: bool) -> Tensor:
        """Embeddings [B, D] of pixels [B, S, S, C], as one of so many pictures."""
        if not len(pixels):
            return torch.empty(0, self.network_.embedding_size)
        return self._answering().embed(pixels, many=many and not self._learning)

    def _logits(self, z: Tensor) -> Tensor:
        return self._answering().logits(z)

    def form_for_many(self) -> Runtime:
        """What answers where there are many pictures."""
        return self._answering().form_for(many=True)

    def predicted_from(self, pixels: np.ndarray, *, exact: bool) -> np.ndarray:
        """Probabilities, or numbers, of pixels [N, S, S, C]: by the engine for many, or
        by the network itself in float32."""
        if not exact:
            return self._predict(self._logits(self._embed(pixels, many=True)))
        plain = Runtime(self.runtime_.device)
        run = engine(self.network_, self.preprocessing_, plain, many=False)
        z = run(pixels)
        self.runtime_.prepare(self.network_)
        return self._predict(self._logits(z))

    def _all_predicted(self, X: Any) -> np.ndarray:
        """Predictions of all pictures; PictureError names those that cannot be read.

        `answers` gives a reason in place of an answer instead.
        """
        self.check_fitted()
        answers = list(self.answers(self._complete(X)))
        _refuse([(a.name, a.reason) for a in answers if a.reason])
        return np.stack([a.predicted for a in answers if a.predicted is not None])

    def _complete(self, X: Any) -> ImageTable:
        """The table of X; PictureError when it could not list a row."""
        table = self._unlabelled(X)
        _refuse([(q.name, q.reason) for q in table.set_aside])
        return table

    def transform(self, X: Any) -> np.ndarray:
        """Embeddings [N, D]: what the last dense layer sees of each picture."""
        return _joined(list(self._all_seen(X))).embeddings

    def _all_seen(self, X: Any) -> Iterator[ImageFeatures]:
        """What is seen of all pictures; PictureError names those it cannot read."""
        self.check_fitted()
        table = self._complete(X)
        many = len(table) >= MANY
        for names, reasons, pixels in self._batches(table):
            _refuse([(n, r) for n, r in zip(names, reasons, strict=True) if r])
            yield self._seen(pixels, many=many)

    def evaluate(
        self, X: Any, y: Any = None, *, linear: LinearModel | None = None
    ) -> Evaluation:
        """Score on pictures with labels, beside the answer that never looks.

        Pictures of classes the model does not know, and pictures that cannot be used,
        are left out of the score and told in `notes`. linear: another to stand beside.
        """
        self.check_fitted()
        pictures, notes = (
            (X, []) if isinstance(X, ImageDataset) else self.scoring_part(X, y)
        )
        known, more = self._known_rows(pictures.table)
        pictures = pictures.rows(known)
        seen = self._seen_of(pictures)
        predicted = self._predict(self._logits(torch.from_numpy(seen.embeddings)))
        unknown = self._unknown(seen)
        said = None if linear is None else linear.decide(pictures)
        more += self._many_unknown(unknown)
        notes, together = notes + more, pictures.together
        return self.judged(pictures.table, predicted, said, notes, together)

    def _many_unknown(self, unknown: np.ndarray) -> list[str]:
        """A note where more pictures are unlike the known than chance explains."""
        n, strange = len(unknown), int(unknown.sum())
        if self.known_ is None or not strange:
            return []
        expected = self.known_.false_alarm
        if wilson(strange, n)[0] <= expected:
            return []
        return [
            f"{counted(strange, 'picture')} of {n} are unlike those learned from "
            f"({percent(strange / n)}, where {percent(expected)} would be usual)"
        ]

    def judged(
        self,
        table: ImageTable,
        predicted: np.ndarray,
        linear: np.ndarray | None = None,
        notes: list[str] | None = None,
        together: np.ndarray | None = None,
    ) -> Evaluation:
        """The evaluation of predictions, and of what a linear model said.

        What never looks says the most frequent class of these pictures, which is no
        easier to beat than that of the train part; that one, if they are all of one
        class, or nothing could beat it. together: [N] group numbers.
        """
        objective = self.objective_
        many, y = objective.kind == "multi_label", objective.encode(table.labels)
        blind = self.constant_baseline_ if many else self.constant_baseline_[0]
        if objective.kind == "single_label" and len(np.unique(y)) > 1:
            blind = objective.constant(y)
        found = evaluate_predictions(
            objective,
            y,
            predicted,
            self.predictions_frame(table.names, predicted, table.labels),
            blind,
            CONSTANT_NAMES[objective.kind],
            notes,
            together,
        )
        if linear is not None:
            found.add_baseline(LINEAR, objective, y, linear)
        return found

    def scoring_part(self, X: Any, y: Any = None) -> tuple[ImageDataset, list[str]]:
        """Pictures to score on, the test part where there is one, and notes."""
        self.check_fitted()
        table, notes = self.read(X, y), []
        test = given_parts(table) == TEST
        if test.any() and not test.all():
            notes.append(
                f"only the test part is scored, {test.sum()} of {len(table)} pictures"
            )
            table = table.rows(test)
        how = self.preprocessing_
        eye = ImageReader(how.store_size, how.resize, None, self.settings.max_pixels)
        found, pictures = load_dataset(table, eye, channels=how.channels)
        if found.quarantine:
            notes.append(describe_quarantined(found.quarantine))
        return self._grouped_to_score(pictures), notes

    def _grouped_to_score(self, pictures: ImageDataset) -> ImageDataset:
        """The pictures with the groups that they had in training, as far as is known.

        The column that named them is not asked for here, and names may be others.
        """
        settings = self.settings
        try:
            return grouped(pictures, settings.near_duplicates, settings.group_pattern)
        except SettingError:  # no name holds the pattern
            return grouped(pictures, settings.near_duplicates, None)

    def _known_rows(self, table: ImageTable) -> tuple[np.ndarray, list[str]]:
        """A mask [N] of the pictures whose classes the model knows, and notes."""
        if self.objective_.kind == "numeric":
            return np.ones(len(table), dtype=bool), []
        names = set(self.objective_.classes)
        said = [names_in(str(label), table.kind) for label in table.labels]
        known = np.array([its <= names for its in said], dtype=bool)
        extra = sorted(set().union(*said) - names)
        missing = sorted(names.difference(*(said[k] for k in np.flatnonzero(known))))
        notes = []
        if extra:
            left = f"{counted(int((~known).sum()), 'picture')} left out"
            notes.append(
                f"classes the model does not know: {', '.join(extra)} ({left})"
            )
        if missing:
            notes.append(f"classes without a picture here: {', '.join(missing)}")
        if not known.any():
            raise ClassError(
                f"No picture is of a class that the model knows. It knows "
                f"{', '.join(sorted(names))}; the data have {', '.join(extra)}."
            )
        return known, notes

    def predictions_frame(
        self, names: list[str], predicted: np.ndarray, labels: Any = None
    ) -> Any:
        """Predictions as a table: path, label (where known), predicted, and more."""
        import pandas as pd

        frame: dict[str, Any] = {"path": names}
        if labels is not None:
            frame["label"] = list(labels)
        frame["predicted"] = self.objective_.decode(predicted)
        if self.objective_.kind == "single_label":
            frame["probability"] = predicted.max(axis=1).round(5)
        for k, name in enumerate(self.objective_.classes):
            frame[f"p_{name}"] = predicted[:, k].round(5)
        return pd.DataFrame(frame)

    # --- keeping -----------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write the model to a folder: safetensors and JSON, nothing to unpickle."""
        self.check_fitted()
        description = {
            "estimator": type(self).__name__,
            "parameters": self.plain_params(),
            "network": {"backbone": self.backbone_, **self.options_},
            "objective": objectives.to_dict(self.objective_),
            "preprocessing": self.preprocessing_.to_dict(),
            "runtime": self.runtime_.to_dict(),
            "constant": self.constant_baseline_,
            "temperature": self.temperature_,
            "whole_number_classes": self._whole_numbers(),
            "history": [epoch._asdict() for epoch in self.history_],
        }
        tensors = dict(self.network_.state_dict())
        if self.known_ is not None:
            known, description["known"] = self.known_.to_arrays()
            tensors |= {f"{KNOWN}{name}": t for name, t in known.items()}
        return save_model(path, description, tensors)

    def _whole_numbers(self) -> bool:
        return getattr(getattr(self, "classes_", None), "dtype", None) == np.int64

    @classmethod
    def restore(cls, folder: str | Path, description: dict[str, Any]) -> Self:
        """The estimator that `save` wrote to a folder."""
        self = cls(**description["parameters"])
        self.objective_ = objectives.from_dict(description["objective"])
        self.preprocessing_ = Preprocessing.from_dict(description["preprocessing"])
        self.constant_baseline_ = description["constant"]
        self.temperature_ = description.get("temperature", 1.0)
        self.history_ = [Epoch.of(epoch) for epoch in description["history"]]
        network = dict(description["network"])
        self.backbone_, self.options_ = network.pop("backbone"), network
        self.network_ = self._build()
        tensors = read_weights(folder, description)
        known = under(KNOWN[:-1], tensors)
        self.network_.load_state_dict(
            {name: t for name, t in tensors.items() if not name.startswith(KNOWN)}
        )
        told = description.get("known") or description.get("novelty")
        self.known_ = OutlierDetector.from_arrays(known, told) if told else None
        self.runtime_ = _usable_here(Runtime(**description["runtime"]))
        self.runtime_.prepare(self.network_).eval()
        self._restore_classes(description)
        return self

    def _restore_classes(self, description: dict[str, Any]) -> None:
        """Set `classes_` again, where there are classes."""


CONSTANT_NAMES = {
    "single_label": "most frequent class",
    "multi_label": "most frequent labels",
    "numeric": "median",
}


def _joined(parts: list[ImageFeatures]) -> ImageFeatures:
    return ImageFeatures(*map(np.concatenate, zip(*parts, strict=True)))


def _refuse(bad: list[tuple[str, str | None]]) -> None:
    if bad:
        shown = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise ImageError(
            f"{counted(len(bad), 'picture')} cannot be used: {shown}{more}. Leave "
            "them out, or iterate over model.answers(X), which gives their reasons."
        )


def describe_quarantined(aside: list[Quarantined]) -> str:
    first = aside[0]
    return f"{counted(len(aside), 'picture')} set aside, {first.name}: {first.reason}"


def _usable_here(runtime: Runtime) -> Runtime:
    """The saved form, or the plain one where its device is not there."""
    try:
        find_device(runtime.device)
    except SettingError:
        return Runtime()
    return runtime
