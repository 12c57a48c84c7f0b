"""What ImageClassifier and ImageRegressor share: fit, predict, evaluate, save."""

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, cast

import numpy as np
import torch
from torch import Tensor

from vicinal.core import objective as objectives
from vicinal.core.calibration import fit_temperature
from vicinal.core.checkpoint import under
from vicinal.core.estimator import Estimator, read_weights, save_model
from vicinal.core.evaluation import Evaluation, judge
from vicinal.core.folding import Pair, followed_by_norms
from vicinal.core.metrics import Score, wilson
from vicinal.core.novelty import Novelty
from vicinal.core.objective import Objective
from vicinal.core.paired import Paired, compare
from vicinal.core.parallel import prefetch
from vicinal.core.runtime import (
    Runtime,
    candidates,
    fastest,
    find_device,
    measured,
    seed_for,
)
from vicinal.core.splits import TEST, TRAIN, VAL
from vicinal.core.training import Epoch, Trainer, saved_runtime
from vicinal.core.words import counted, percent
from vicinal.errors import (
    ClassError,
    DataError,
    NoDataError,
    PictureError,
    QuarantineWarning,
    SettingError,
    near_names,
)
from vicinal.images.audit import Eye, Tick, looks, names_in
from vicinal.images.augment import choose
from vicinal.images.backbone_choice import (
    TIMED,
    Trial,
    milliseconds,
    sample_of,
    take,
)
from vicinal.images.baselines import NAME as LINEAR
from vicinal.images.baselines import LinearModel
from vicinal.images.bought import reserved
from vicinal.images.cache import PictureCache
from vicinal.images.decode import Preprocessing, to_channels
from vicinal.images.engines import MANY, Engines, fastest_forward, remember
from vicinal.images.features import frozen_features
from vicinal.images.inputs import list_pictures
from vicinal.images.loader import PictureLoader
from vicinal.images.networks import NETWORKS, build
from vicinal.images.networks.network import Network
from vicinal.images.parts import given_parts, grouped, with_validation
from vicinal.images.pictures import Pictures, look_over
from vicinal.images.pretrained import Source, open_weights
from vicinal.images.pretrained import candidates as candidates_of
from vicinal.images.probe import Probe, fit_probe, put_head
from vicinal.images.settings import ImageSettings
from vicinal.images.sizes import natural_size
from vicinal.images.spreadsheets import listed
from vicinal.images.table import ImageTable, Quarantined, read_images
from vicinal.images.transfer import (
    KNOWN,
    blocks_to_freeze,
    describe,
    freeze_first,
    opening_epochs,
    shares,
    start_from,
)

PREDICT_BATCH, BATCH = 64, 64

MOST_EPOCHS = 60
"""that a plan by the clock makes"""

BESIDE = 1.15
"""what an epoch takes beside its passes: views, optimizer steps, validation"""


class Answer(NamedTuple):
    """What a model says of one picture, or why it can say nothing."""

    name: str
    predicted: np.ndarray | None
    """[K] probabilities, or the number []"""

    reason: str | None

    unknown: bool = False
    """whether it is unlike anything that was learned from"""


class ImageLearner(Estimator):
    """Base of the estimators that learn from pictures."""

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
    constant_: list[float]
    temperature_: float
    """what logits are divided by, so that held-out pictures are as sure as they are
    right; 1 where nothing was held out"""

    novelty_: Novelty | None
    """what is known, and from where on a picture is called unknown; None: not asked
    for, or nothing was held out to tell by"""

    backbone_: str
    options_: dict[str, Any]
    epochs_: int
    """passes that were planned"""

    probe_: Probe
    """with `weights`: the first answer, cross-validated on the train part"""

    first_on_val_: Score | None
    """with `weights`: the first answer on the validation part, where there is one"""

    paired_: Paired | None
    """with `weights`: the fine-tuned network against the probe on the validation part;
    None: it was not fine-tuned, or nothing was held out to compare them on"""

    quarantine_: list[Quarantined]
    expected_seconds_: float

    @property
    def settings(self) -> ImageSettings:
        """The parameters as checked settings; SettingError for one out of range."""
        asked = self._asked
        if asked.backbone == "auto":  # what was chosen, and until then the first
            taken = self._chosen or candidates_of(asked.weights)[0]
            free = {"backbone": None, "max_ms": None, "max_mb": None}
            asked = replace(asked, weights=taken, **free)
        return asked.filled()

    @property
    def _asked(self) -> ImageSettings:
        """The settings as the user gave them."""
        return cast(ImageSettings, super().settings)

    _chosen: str | None = None
    """with `backbone` auto: the weights that were taken"""

    trials_: list[Trial]
    """with `backbone` auto: what each candidate gave"""

    @property
    def chooses(self) -> bool:
        """Whether a backbone is still to be chosen."""
        return self.get_params()["backbone"] == "auto" and self._chosen is None

    def choose(self, train: Pictures) -> Iterator[str]:
        """Try the candidates on a sample of the train part, and take one.

        Yields a sentence on each, and on the choice.
        """
        asked = self._asked
        labels, kind = train.table.labels, train.table.kind
        table = train.table.rows(sample_of(labels, kind, self.random_state))
        self.trials_, said = [], None
        for weights in candidates_of(asked.weights):
            said = type(self)(**self.get_params() | self._trial_params(weights))
            said.tick = self.tick
            said.fit(table)
            self.trials_.append(said._as_trial(weights))
            yield str(self.trials_[-1])
        assert said is not None  # there is one candidate or more
        limits = asked.max_ms, asked.max_mb
        taken, why = take(self.trials_, said.objective_, said.probe_.y, *limits)
        self._chosen = taken.weights
        yield why

    @staticmethod
    def _trial_params(weights: str) -> dict[str, Any]:
        """Parameters by which a candidate is tried: its frozen features."""
        free = {"backbone": None, "max_ms": None, "max_mb": None, "minutes": None}
        return {"weights": weights, "freeze": "all", "near_duplicates": False, **free}

    def _as_trial(self, weights: str) -> Trial:
        how, network = self.preprocessing_, self.network_
        shape = TIMED, how.store_size, how.store_size, how.channels
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        ms = milliseconds(lambda x: self._embed(x, many=True), pixels)
        mb = sum(t.numel() * t.element_size() for t in network.state_dict().values())
        said = self.objective_.decide(self.probe_.predicted)
        score = self.probe_.score
        return Trial(weights, self.backbone_, score, ms, mb / 1e6, said)

    def reopened(self, pictures: Pictures) -> Pictures:
        """The same pictures as the backbone that was chosen wants to see them."""
        eye, channels = self.eye(pictures.table), self.wanted_channels()
        if eye == pictures.eye and channels in (None, pictures.channels):
            return pictures
        _, found = look_over(pictures.table, eye, channels=channels)
        if not np.array_equal(found.digests, pictures.digests):
            raise DataError(
                "Pictures changed while backbones were tried. Leave them alone while "
                "training runs, and start again."
            )
        return replace(found, groups=pictures.groups)

    # --- learning ----------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, *, validation: Any = None) -> Self:
        """Learn from pictures.

        X: a folder, a CSV, a DataFrame, arrays [N, H, W(, C)], a list of paths, or an
        ImageTable; y: [N] labels for arrays and lists. validation: pictures for
        choosing the epoch; else a share of X (`val_fraction`).
        What cannot be used is set aside: a QuarantineWarning counts it, and
        `quarantine_` names each with its reason.
        """
        for _ in self.fit_epochs(X, y, validation=validation):
            pass
        return self

    def fit_epochs(
        self,
        X: Any,
        y: Any = None,
        *,
        validation: Any = None,
        checkpoint: Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Iterator[Epoch]:
        """`fit` as a generator of epoch records: leave the loop to stop early."""
        self._began = time.monotonic() if self.begun is None else self.begun
        self.quarantine_ = []
        train, val = self._parts(X, y, validation)
        return self._epochs(self._prepare(train, val, checkpoint, stop_requested))

    def _epochs(self, trainer: Trainer) -> Iterator[Epoch]:
        late = trainer.out_of_time and self.settings.weights is not None
        if self._settled or late:  # the fitted head is the model already
            self.history_ = []
            self._settle()
            return
        self._learning, self._trainer = True, trainer
        try:
            for epoch in trainer.epochs():
                self.history_ = trainer.progress.history
                yield epoch
        finally:
            self._learning, self._trainer = False, None
            if trainer.progress.history:
                trainer.load_best()
                self.history_ = trainer.progress.history
            self.network_.eval()
            self._engines = None
            if sys.exc_info()[0] in (None, GeneratorExit):  # ended, or left early
                self._keep_the_better()
                self._settle()

    def val_share(self, n: int) -> float:
        """The share of n for choosing the epoch; none where no epoch is trained."""
        return 0.0 if self._settled else self.settings.val_share(n)

    @property
    def test_share(self) -> float:
        """The share for the score; none where all are judged out of fold."""
        return 0.0 if self._settled else self.settings.test_fraction

    @property
    def _settled(self) -> bool:
        return self.settings.freeze == "all" and self.settings.weights is not None

    def _parts(self, X: Any, y: Any, validation: Any) -> tuple[Pictures, Pictures]:
        """The pictures for learning and those for choosing the epoch."""
        if not isinstance(X, Pictures):
            self._chosen = None
        pictures = self.open(X, y)
        parts = given_parts(pictures.table)
        if self.chooses:
            list(self.choose(pictures.rows(parts == TRAIN)))
            pictures = self.reopened(pictures)
        if validation is not None:
            val = self.open(validation, like=pictures)
            return pictures.rows(parts == TRAIN), val
        share = self.val_share(int((parts == TRAIN).sum()))
        parts = with_validation(parts, pictures, share, self.random_state)
        return pictures.rows(parts == TRAIN), pictures.rows(parts == VAL)

    def open(self, X: Any, y: Any = None, like: Pictures | None = None) -> Pictures:
        """Decode pictures for this estimator; set aside those that cannot be used."""
        if isinstance(X, Pictures):
            return X
        whole = isinstance(X, ImageTable)  # it was read with its groups
        group = None if whole or like else self.settings.group_column
        table = self.read(X, y, group)
        eye = like.eye if like else self.eye(table)
        channels = like.channels if like else self.wanted_channels()
        found, pictures = look_over(table, eye, channels=channels)
        self.quarantine_ = [*self.quarantine_, *found.quarantine]
        if found.quarantine:
            told = f"{_told_aside(found.quarantine)}; quarantine_ lists all"
            warnings.warn(told, QuarantineWarning, stacklevel=4)
        return self.grouped(pictures)

    def grouped(self, pictures: Pictures) -> Pictures:
        """The pictures, and which of them are not to be divided."""
        settings = self.settings
        return grouped(pictures, settings.near_duplicates, settings.group_pattern)

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

    def eye(self, table: ImageTable) -> Eye:
        """How this estimator looks at the pictures of a table: size, form, cache."""
        settings = self.settings
        known = self._known_preprocessing()
        view, size = self._sizes(table, known)
        resize = settings.resize or (known.resize if known else "crop")
        cache = PictureCache() if settings.cache else None
        return Eye(size, resize, cache, settings.max_pixels, view)

    def _sizes(self, table: ImageTable, known: Preprocessing | None) -> tuple[int, int]:
        """Pixels of the input, and of the stored picture that views are cut from."""
        settings = self.settings
        size = settings.image_size
        if known and size in (None, known.image_size):
            return known.image_size, known.store_size
        name = self._backbone()
        size = size or natural_size(table, name)
        if size < NETWORKS[name].min_size:
            raise SettingError(
                f"image_size must be {NETWORKS[name].min_size} pixels or more for "
                f"{name}. Got {size} instead; another --backbone takes smaller ones."
            )
        photo = settings.augment == "photo" or (
            settings.augment == "auto" and size >= 64
        )
        return size, (round(size * 8 / 7 / 2) * 2 if photo else size)

    def _backbone(self) -> str:
        """The network's name: the setting, that of the weights, or small."""
        name = self.settings.backbone
        if name is None:
            source = self._source()
            return source.backbone if source else "small"
        if name not in NETWORKS:
            hint = near_names(name, NETWORKS)
            raise SettingError(f"There is no backbone {name!r}. {hint}")
        return name

    _opened: tuple[tuple[str, str | None], Source] | None = None

    def _source(self) -> Source | None:
        """The weights to start from; read once and let go when they are in use."""
        weights, backbone = self.settings.weights, self.settings.backbone
        if weights is None:
            return None
        if self._opened is None or self._opened[0] != (weights, backbone):
            opened = open_weights(weights, backbone, tell=_to_stderr)
            self._opened = (weights, backbone), opened
        return self._opened[1]

    def _known_preprocessing(self) -> Preprocessing | None:
        """The preprocessing that the weights to start from were trained with.

        None for a bare file of a network whose shapes go with the picture's size: then
        the pictures at hand decide.
        """
        source, weights = self._source(), self.settings.weights
        if source is None or weights is None:
            return None
        sized = "image_size" in NETWORKS[source.backbone].options
        return None if sized and describe(weights) is None else source.preprocessing

    def wanted_channels(self) -> int | None:
        """Channels that the weights to start from want; None: as the pictures have."""
        known = self._known_preprocessing()
        return known.channels if known else None

    def check_start(self) -> None:
        """SettingError where the weights to start from do not fit the network."""
        self._backbone()
        if self.chooses:
            for weights in candidates_of(self._asked.weights):
                open_weights(weights, tell=_to_stderr)
            return
        source, known = self._source(), self._known_preprocessing()
        if source is None or known is None:  # then it is the pictures' size that counts
            return
        size = self.settings.image_size or known.image_size
        channels, name = known.channels, source.backbone
        network = build(name, num_classes=2, in_channels=channels, image_size=size)
        start_from(network, source.tensors, str(self.settings.weights))

    def _prepare(
        self,
        train: Pictures,
        val: Pictures,
        checkpoint: Path | None,
        stop_requested: Callable[[], bool],
    ) -> Trainer:
        settings = self.settings
        if len(train) < 2:
            raise NoDataError(
                f"{counted(len(train), 'picture')} to learn from, where two or more "
                "are needed: others are set aside or in other parts of the split."
            )
        self._forget()
        self.objective_ = self._objective(train.table, settings)
        y, y_val = (self.objective_.encode(p.table.labels) for p in (train, val))
        if settings.class_weight == "balanced":
            self.objective_ = self.objective_.balanced(y)
        self.constant_ = np.atleast_1d(self.objective_.constant(y)).tolist()
        self._set_classes(train.table)
        self.temperature_, self._val, self._train = 1.0, (val, y_val), train
        self.novelty_ = None
        device = find_device(self.device)
        self.preprocessing_ = self._preprocessing(train)
        self.network_ = self._network(settings)
        shares_of: dict[str, float] = {}
        if settings.weights is not None:
            self._start(train, y, val, y_val, device)
            freeze = "none" if settings.freeze == "auto" else settings.freeze
            freeze_first(self.network_, freeze)
            shares_of = shares(self.network_, settings.layer_decay)
        augmentation = choose(settings.augment, self.preprocessing_)
        loader = PictureLoader(
            pictures=train,
            targets=y,
            preprocessing=self.preprocessing_,
            augmentation=augmentation,
            batch_size=settings.batch_size or BATCH,
            seed=seed_for(self.random_state, 0),
        )
        saved = saved_runtime(checkpoint)
        if saved is not None and saved.device != device:
            saved = replace(saved, device=device)
        if not self._settled:
            self.runtime_ = saved or self._fastest(loader, device)
        by_clock = settings.minutes is not None and self.epochs is None
        if by_clock and not self._settled:
            self._freeze_by_clock(settings, loader)
            settings = self._planned(settings, self._seconds_an_epoch(loader))
        self.epochs_ = 0 if self._settled else settings.epochs or 1
        self.expected_seconds_ = self.epochs_ and (
            self.epochs_ * self._seconds_an_epoch(loader)
        )
        return Trainer(
            model=self.network_,
            loader=loader,
            objective=self.objective_,
            settings=settings,
            by_clock=by_clock,
            begun=self._began,
            runtime=self.runtime_,
            validate=lambda model: self._validate(val, y_val),
            judged=len(val) > 0,
            by_loss=settings.weights is not None,
            shares=shares_of,
            ema=settings.ema if settings.weights else 0.0,
            fixed=self._norms_to_fix(),
            opens=self._opening_epochs(settings),
            seed=seed_for(self.random_state, 1),
            checkpoint_file=checkpoint,
            fingerprint=self._fingerprint(train, val),
            stop_requested=stop_requested,
        )

    def from_nothing(
        self,
        train: Pictures,
        val: Pictures,
        seconds: float,
        stop_requested: Callable[[], bool] = lambda: False,
    ) -> Score:
        """How good the same network is on `val` after so long from random weights."""
        changes = {"weights": None, "freeze": "none", "stages": 1, "epochs": None}
        changes |= {"backbone": self.backbone_, "minutes": seconds / 60 / 0.9}
        changes |= {"max_ms": None, "max_mb": None, "false_alarm": 0.0}
        other = type(self)(**self.get_params() | changes)
        list(other.fit_epochs(train, validation=val, stop_requested=stop_requested))
        return other.evaluate(val).score

    def check_labels(self, table: ImageTable) -> None:
        """DataError where nothing can be learned from the labels of a table."""

    def _forget(self) -> None:
        """Take away what an earlier fit learned."""
        for name in ("network_", "history_", "probe_", "paired_", "_engines"):
            vars(self).pop(name, None)

    def _objective(self, table: ImageTable, settings: ImageSettings) -> Objective:
        raise NotImplementedError

    def _set_classes(self, table: ImageTable) -> None:
        """Set `classes_`, where there are classes."""

    def _preprocessing(self, train: Pictures) -> Preprocessing:
        """Sizes as chosen; mean and spread of each channel from the train part."""
        eye, known = train.eye, self._known_preprocessing()
        sizes = {"image_size": eye.view or eye.size, "store_size": eye.size}
        if known:
            return replace(known, **sizes, resize=eye.resize)
        pixels = train.sample(512).astype(np.float32) / 255
        mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
        return Preprocessing(
            **sizes,
            channels=train.channels,
            resize=eye.resize,
            mean=tuple(np.round(mean, 4).tolist()),
            std=tuple(np.round(std.clip(0.02), 4).tolist()),
        )

    def _network(self, settings: ImageSettings) -> Network:
        """A network with random weights, or with those of `weights` in its body."""
        self.backbone_, source = self._backbone(), self._source()
        self.options_ = source.options if source else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.random_state, 2))
            network = self._build()
        if source is not None:
            start_from(network, source.tensors, str(settings.weights))
            self._opened = None  # they are in the network now
        return network

    # --- from trained weights ----------------------------------------------------

    def _start(
        self, train: Pictures, y: np.ndarray, val: Pictures, y_val: np.ndarray, on: str
    ) -> None:
        """Fit the head on frozen features; the network ends in it."""
        self.runtime_ = self._fastest_forward(len(train), on)
        seen, of_val = (self.features(part) for part in (train, val))
        self.probe_ = fit_probe(seen, train, y, self.objective_, self.random_state)
        put_head(self.network_, self.probe_.fit.head)
        self._begun = self.network_.state_dict()
        self._begun = {name: t.clone() for name, t in self._begun.items()}
        self.paired_, self.first_on_val_ = None, None
        self._at_first = self.objective_.predict(self.probe_.fit.head.logits(of_val))
        if len(val):
            said = self.objective_.decide(self._at_first)
            self.first_on_val_ = self.objective_.score(y_val, said)
        self.history_ = []  # the fitted head is a model already
        self._learn_what_is_known()
        if self.objective_.kind != "numeric":
            logits = self.probe_.fit.logits
            self.temperature_ = fit_temperature(logits, y, self.objective_)

    def features(self, pictures: Pictures) -> np.ndarray:
        """What the body says of decoded pictures [N, D], from the cache where there."""
        return frozen_features(
            pictures,
            self.network_,
            self.preprocessing_,
            self.runtime_,
            cache=self.settings.cache,
            tick=self.tick,
        )

    tick: Tick | None = None
    """called as tick(done, total) while features are computed; may raise to stop"""

    def _fastest_forward(self, count: int, device: str) -> Runtime:
        """The form in which this network answers so many pictures fastest."""
        settings = self.settings
        return fastest_forward(
            self.network_,
            self.preprocessing_,
            candidates(device, settings.precision, settings.exact),
            self.backbone_,
            many=count >= MANY,
            cache=settings.cache,
        )

    def _settle(self) -> None:
        """Learn from what was held out how sure to be, and what is unknown."""
        self._engines = None
        self._calibrate()
        self._learn_what_is_known()
        for name in ("_val", "_train", "_begun", "_at_first"):  # not needed any more
            vars(self).pop(name, None)

    def _learn_what_is_known(self) -> None:
        """Where the network learned from pictures, by those that were held out."""
        alarm, (val, _) = self.settings.false_alarm, self._val
        self.novelty_ = None
        if not alarm or not hasattr(self, "history_"):
            return
        if hasattr(self, "probe_") and not self._tuned:
            known, held_out = self.probe_.features, None
        elif len(val):
            train = self._train
            rows = np.random.default_rng(self.random_state).permutation(len(train))
            known = self._embeddings_of(train.rows(np.sort(rows[:MOST_KNOWN]))).numpy()
            held_out = self._embeddings_of(val).numpy()
        else:
            return
        seed = self.random_state
        self.novelty_ = Novelty.fit(known, alarm, seed, held_out)

    @property
    def _tuned(self) -> bool:
        """Whether the network is another than the one the probe was fitted on."""
        kept = self.paired_ is None or self.paired_.better
        return bool(self.history_) and kept

    def _calibrate(self) -> None:
        """Fit the temperature on what no weight has been fitted on.

        That is the validation part, or what the probe said out of fold. Of the best of
        some epochs on that part the sureness is hardly changed by the choice.
        """
        val, y = self._val
        if not hasattr(self, "history_") or self.objective_.kind == "numeric":
            return
        if len(val):
            logits = self._logits_of(val)
        elif not self.history_ and hasattr(self, "probe_"):
            logits, y = self.probe_.fit.logits, self.probe_.y
        else:
            self.temperature_ = 1.0
            return
        self.temperature_ = fit_temperature(logits, y, self.objective_)

    def _keep_the_better(self) -> None:
        """Go back to the probe unless fine-tuning beat it by more than chance."""
        if self.settings.weights is None or not hasattr(self, "history_"):
            return
        if len(self._val[0]):
            self.paired_ = self._beside_the_probe()
            if not self.paired_.better:
                self.network_.load_state_dict(self._begun)

    def _beside_the_probe(self) -> Paired:
        """The network as it is against the first answer, on the validation part."""
        val, y = self._val
        decide = self.objective_.decide
        now = self.objective_.predict(self._logits_of(val))
        return compare(self.objective_, y, decide(now), decide(self._at_first))

    _trainer: Trainer | None = None
    """while it learns"""

    def save_so_far(self, path: str | Path) -> bool:
        """While learning, between two epochs: save the best there is up to now.

        With trained weights that is the first answer until the network is better by
        more than chance; then nothing is written, and False is returned.
        """
        assert self._trainer is not None
        with self._trainer.best_so_far():
            if self.settings.weights is not None and len(self._val[0]):
                self.paired_ = self._beside_the_probe()
                if not self.paired_.better:
                    return False
            self._calibrate()
            self._learn_what_is_known()
            self.save(path)
        return True

    def _build(self) -> Network:
        return build(
            self.backbone_,
            num_classes=self.objective_.outputs,
            in_channels=self.preprocessing_.channels,
            image_size=self.preprocessing_.image_size,
            **self.options_,
        )

    def _fastest(self, loader: PictureLoader, device: str) -> Runtime:
        """The form in which this network trains fastest on batches like these."""
        forms = candidates(device, self.settings.precision, self.settings.exact)
        if len(forms) == 1:
            return forms[0]
        x = next(iter(loader.batches(0)))[0][:32]
        fix = self.settings.weights is not None
        measure = lambda: fastest(self.network_, x, forms, fix_norms=fix)  # noqa: E731
        what, cache = "tuning" if fix else "learning", self.settings.cache
        return remember(what, self.backbone_, x, forms, measure, cache)

    def _freeze_by_clock(self, settings: ImageSettings, loader: PictureLoader) -> None:
        """With `freeze` auto: freeze as many first blocks as time asks for."""
        if settings.weights is None or settings.freeze != "auto":
            return

        def epoch_of(blocks: str) -> float:
            freeze_first(self.network_, blocks)
            return self._seconds_an_epoch(loader)

        left = self._seconds_to_learn(settings)
        freeze_first(self.network_, blocks_to_freeze(self.network_, left, epoch_of))

    def _opening_epochs(self, settings: ImageSettings) -> dict[str, int]:
        if settings.weights is None or settings.stages == 1:
            return {}
        learns = {n for n, p in self.network_.named_parameters() if p.requires_grad}
        opens = opening_epochs(self.network_, settings.stages, self.epochs_)
        return {name: epoch for name, epoch in opens.items() if name in learns}

    def _norms_to_fix(self) -> list[Pair] | None:
        """Trained weights keep the statistics under which they were trained."""
        if self.settings.weights is None:
            return None
        how, like = self.preprocessing_, next(self.network_.parameters())
        example = torch.rand(2, how.channels, how.image_size, how.image_size)
        return followed_by_norms(self.network_, example.to(like.device))

    _learning = False
    """whether the weights are changing: what is prepared from them would be stale"""

    begun: float | None = None
    """what `time.monotonic` said when the user's minutes began; None: when fit began"""

    def _planned(self, settings: ImageSettings, an_epoch: float) -> ImageSettings:
        """As many epochs as the minutes have room for, and the minutes they may take.

        A tenth of the minutes, half a minute at most, is left for the test and the
        report. From trained weights more than MOST_EPOCHS bring nothing.
        """
        room = int(self._seconds_to_learn(settings) / an_epoch)
        epochs = min(max(room, 1), MOST_EPOCHS)
        return replace(settings, epochs=epochs, minutes=_ours(settings) / 60)

    def _seconds_to_learn(self, settings: ImageSettings) -> float:
        """Seconds of the user's minutes that are left for epochs."""
        return max(0.0, _ours(settings) - (time.monotonic() - self._began))

    def _seconds_an_epoch(self, loader: PictureLoader) -> float:
        """Seconds that an epoch will take, from one step that is timed."""
        x = next(iter(loader.batches(0)))[0][:32]
        form = self.runtime_
        fix = self.settings.weights is not None
        one = measured(self.network_, x, [form], repeats=1, fix_norms=fix)[form]
        return BESIDE * one / len(x) * len(loader.pictures)

    def _validate(self, val: Pictures, y: np.ndarray) -> tuple[float, float]:
        if not len(val):
            return float("nan"), float("nan")
        logits = self._logits_of(val)
        loss = self.objective_.loss(logits, torch.from_numpy(y)).item()
        return loss, self.objective_.measure(y, self.objective_.predict(logits))

    def _fingerprint(self, train: Pictures, val: Pictures) -> str:
        """A hash of all that a resumed run must agree on with its checkpoint."""
        values = self.plain_params().items()
        told = {k: v for k, v in values if k not in FREE_TO_CHANGE}
        text = json.dumps([told, self.preprocessing_.to_dict()], sort_keys=True)
        sha = hashlib.sha256(text.encode())
        for part in (train, val):
            sha.update(part.digests.tobytes())
            sha.update("\n".join(map(str, part.table.labels)).encode())
        return sha.hexdigest()

    # --- answering ---------------------------------------------------------------

    def answers(self, X: Any) -> Iterator[Answer]:
        """What the model says of each picture, in order, a batch at a time.

        A picture that cannot be read gets a reason in place of an answer. Memory does
        not grow with the number of pictures.
        """
        self.check_fitted()
        if isinstance(X, Pictures):
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

    def _answers(self, table: ImageTable) -> Iterator[Answer]:
        many = len(table) >= MANY
        for names, reasons, pixels in prefetch(self._batches(table)):
            said = iter(self._said(self._embed(pixels, many=many)))
            for name, reason in zip(names, reasons, strict=True):
                yield Answer(name, None, reason) if reason else next(said)(name)

    def _batches(
        self, table: ImageTable
    ) -> Iterator[tuple[list[str], list[str | None], np.ndarray]]:
        """Names, reasons and the pixels of the readable pictures, a batch at a time."""
        how = self.preprocessing_
        # one pass over many pictures would only push useful entries out of the cache
        eye = Eye(how.store_size, how.resize, None, self.settings.max_pixels)
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

    def _answers_of(self, pictures: Pictures) -> Iterator[Answer]:
        said = self._said(self._embeddings_of(pictures))
        for name, answer in zip(pictures.table.names, said, strict=True):
            yield answer(name)

    def _said(self, z: Tensor) -> Iterator[Callable[[str], Answer]]:
        """An answer for each row of embeddings [N, D], to be given its name."""
        if not len(z):
            return
        predicted, unknown = self._predict(self._logits(z)), self._unknown(z.numpy())
        for row, strange in zip(predicted, unknown.tolist(), strict=True):
            yield lambda name, r=row, u=strange: Answer(name, r, None, u)

    def _unknown(self, z: np.ndarray) -> np.ndarray:
        known = self.novelty_
        return np.zeros(len(z), bool) if known is None else known.is_unknown(z)

    def is_unknown(self, X: Any) -> np.ndarray:
        """Whether each picture [N] is unlike anything that was learned from.

        Of new pictures of the kind that was learned, a share of `false_alarm` is called
        so (`core.novelty`); none where too few were held out to say.
        """
        return self._unknown(self.transform(X))

    def _predict(self, logits: Tensor) -> np.ndarray:
        """Calibrated probabilities [N, K], or numbers [N]."""
        if self.objective_.kind == "numeric":
            return self.objective_.predict(logits)
        return self.objective_.predict(logits / self.temperature_)

    def _logits_of(self, pictures: Pictures) -> Tensor:
        """Logits [N, K] of decoded pictures."""
        return self._logits(self._embeddings_of(pictures))

    def _embeddings_of(self, pictures: Pictures) -> Tensor:
        """Embeddings [N, D] of decoded pictures."""
        rows, many = np.arange(len(pictures)), len(pictures) >= MANY
        parts = [rows[i : i + PREDICT_BATCH] for i in rows[::PREDICT_BATCH]]
        return torch.cat([self._embed(pictures.batch(p), many=many) for p in parts])

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
        self.check_fitted()
        parts, table = [], self._complete(X)
        many = len(table) >= MANY
        for names, reasons, pixels in self._batches(table):
            _refuse([(n, r) for n, r in zip(names, reasons, strict=True) if r])
            parts.append(self._embed(pixels, many=many).numpy())
        return np.concatenate(parts)

    def evaluate(
        self, X: Any, y: Any = None, *, linear: LinearModel | None = None
    ) -> Evaluation:
        """Score on pictures with labels, beside the answer that never looks.

        Pictures of classes the model does not know, and pictures that cannot be used,
        are left out of the score and told in `notes`. linear: another to stand beside.
        """
        self.check_fitted()
        pictures, notes = (X, []) if isinstance(X, Pictures) else self.to_score(X, y)
        known, more = self._known_rows(pictures.table)
        pictures = pictures.rows(known)
        z = self._embeddings_of(pictures)
        predicted, unknown = self._predict(self._logits(z)), self._unknown(z.numpy())
        said = None if linear is None else linear.decide(pictures)
        more += self._many_unknown(unknown)
        return self.judged(pictures.table, predicted, said, notes + more)

    def _many_unknown(self, unknown: np.ndarray) -> list[str]:
        """A note where more pictures are unlike the known than chance explains."""
        n, strange = len(unknown), int(unknown.sum())
        if self.novelty_ is None or not strange:
            return []
        expected = self.novelty_.false_alarm
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
    ) -> Evaluation:
        """The evaluation of predictions, and of what a linear model said."""
        objective = self.objective_
        many, y = objective.kind == "multi_label", objective.encode(table.labels)
        found = judge(
            objective,
            y,
            predicted,
            self.predictions_frame(table.names, predicted, table.labels),
            self.constant_ if many else self.constant_[0],
            CONSTANT_NAMES[objective.kind],
            notes,
        )
        if linear is not None:
            found.set_beside(LINEAR, objective, y, linear)
        return found

    def to_score(self, X: Any, y: Any = None) -> tuple[Pictures, list[str]]:
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
        eye = Eye(how.store_size, how.resize, None, self.settings.max_pixels)
        found, pictures = look_over(table, eye, channels=how.channels)
        if found.quarantine:
            notes.append(_told_aside(found.quarantine))
        return pictures, notes

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
            "constant": self.constant_,
            "temperature": self.temperature_,
            "whole_number_classes": self._whole_numbers(),
            "history": [epoch._asdict() for epoch in self.history_],
        }
        tensors = dict(self.network_.state_dict())
        if self.novelty_ is not None:
            known, description["novelty"] = self.novelty_.to_arrays()
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
        self.constant_ = description["constant"]
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
        told = description.get("novelty")
        self.novelty_ = Novelty.from_arrays(known, told) if told else None
        self.runtime_ = _usable_here(Runtime(**description["runtime"]))
        self.runtime_.prepare(self.network_).eval()
        self._restore_classes(description)
        return self

    def _restore_classes(self, description: dict[str, Any]) -> None:
        """Set `classes_` again, where there are classes."""


MOST_KNOWN = 2_000
"""pictures whose embeddings are taken to know by"""

FREE_TO_CHANGE = {"minutes", "checkpoint_seconds", "cache", "device"}
"""parameters that may differ between a run and its resumption"""

CONSTANT_NAMES = {
    "single_label": "most frequent class",
    "multi_label": "most frequent labels",
    "numeric": "median",
}


def _ours(settings: ImageSettings) -> float:
    """Seconds of the user's minutes up to the test and the report."""
    minutes = settings.minutes or 0
    left = 60 * minutes - min(6 * minutes, 30)
    return left - (reserved(minutes) if settings.weights and settings.scratch else 0)


def _refuse(bad: list[tuple[str, str | None]]) -> None:
    if bad:
        shown = "; ".join(f"{name}: {reason}" for name, reason in bad[:5])
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise PictureError(
            f"{counted(len(bad), 'picture')} cannot be used: {shown}{more}. Leave "
            "them out, or iterate over model.answers(X), which gives their reasons."
        )


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _told_aside(aside: list[Quarantined]) -> str:
    first = aside[0]
    return f"{counted(len(aside), 'picture')} set aside, {first.name}: {first.reason}"


def _usable_here(runtime: Runtime) -> Runtime:
    """The saved form, or the plain one where its device is not there."""
    try:
        find_device(runtime.device)
    except SettingError:
        return Runtime()
    return runtime
