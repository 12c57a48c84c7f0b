"""Settings: dataclasses with units and checks, from which the flags are made.

The string below each field is the help text of its flag.
"""

import ast
import inspect
import re
import textwrap
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import pairwise
from math import inf
from numbers import Integral
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from vicinal.errors import SettingError, suggest_names

Precision = Literal["auto", "float32", "bfloat16"]

DEFAULT_MINUTES = 1.0
"""time limit of a network that is trained beside a linear baseline"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: checked when created, stored in settings.json."""

    free_on_resume: ClassVar[frozenset[str]] = frozenset(
        {"minutes", "checkpoint_seconds"}
    )
    """settings that may differ between a run and its resumption"""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name in self.names():
            self._check_type(name, hints[name])

    def _check_type(self, name: str, hint: Any) -> None:
        """Check choices, texts and truth values; numbers are checked by subclasses."""
        value = getattr(self, name)
        if get_origin(hint) is UnionType or get_origin(hint) is Union:
            if value is None:
                return
            others = [part for part in get_args(hint) if part is not NoneType]
            hint = others[0] if len(others) == 1 else Any
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(get_args(hint))
            raise SettingError(
                f"{name} must be one of {choices}. Got {value!r} instead."
            )
        if hint is bool:
            self.require(name, isinstance(value, bool), "True or False")
        if hint is str:
            self.require(name, isinstance(value, str), "a text")

    def require(self, name: str, valid: bool, expected: str) -> None:
        """Raise a SettingError that names the setting unless it is valid."""
        if not valid:
            got = getattr(self, name)
            raise SettingError(f"{name} must be {expected}. Got {got!r} instead.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return settings from names and values; SettingError for an unknown name."""
        for name in values:
            if name not in cls.names():
                hint = suggest_names(name, cls.names())
                raise SettingError(f"There is no setting {name!r}. {hint}")
        return cls(**values)


def is_number(value: object) -> bool:
    """Return True for a real number (not a bool, not NaN)."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and value == value


def is_integer(value: object, minimum: int) -> bool:
    """Return True for an integer of at least `minimum`."""
    return is_number(value) and isinstance(value, int) and value >= minimum


def check_seed(seed: Any, name: str = "seed") -> None:
    """Raise SettingError unless a seed is an integer of at least 0."""
    is_whole = isinstance(seed, Integral) and not isinstance(seed, bool)  # or numpy's
    if not is_whole or not int(seed) >= 0:
        raise SettingError(
            f"{name} must be a whole number, 0 or more. Got {seed!r} instead."
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """Settings of training that all domains share."""

    epochs: int | None = None
    """maximum number of passes over the training split; None: chosen for the task"""

    batch_size: int | None = None
    """maximum number of examples per step; None: chosen for the task"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: chosen for the task"""

    weight_decay: float = 0.02
    """decoupled weight decay of AdamW, per unit of learning rate"""

    label_smoothing: float = 0.05
    """fraction of the target distributed over all classes, 0 to 1 (single-label)"""

    class_weight: Literal["none", "balanced"] = "none"
    """balanced: all classes have the same weight in the loss"""

    patience: int = 0
    """epochs without a better validation score before training stops; 0: never"""

    minutes: float | None = None
    """minutes for the whole run, from reading the data to the report; None: no limit"""

    precision: Precision = "auto"
    """dtype of the matrix products; auto: the fastest one measured on this machine"""

    deterministic: bool = False
    """use float32 and deterministic kernels only, and no time limit: slower, same
    result on every run"""

    checkpoint_seconds: float = 10.0
    """maximum seconds between two checkpoints (plus one step)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        epochs = self.epochs is None or is_integer(self.epochs, 1)
        self.require("epochs", epochs, "a whole number, 1 or more")
        size = self.batch_size is None or is_integer(self.batch_size, 2)
        self.require("batch_size", size, "a whole number, 2 or more")
        rate = self.lr is None or (is_number(self.lr) and 0 < self.lr < 100)
        self.require("lr", rate, "above 0 and below 100")
        decay = is_number(self.weight_decay) and 0 <= self.weight_decay < inf
        self.require("weight_decay", decay, "0 or more")
        smooth = is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1
        self.require("label_smoothing", smooth, "from 0 to below 1")
        patient = is_integer(self.patience, 0)
        self.require("patience", patient, "a whole number, 0 or more")
        timed = self.minutes is None or (is_number(self.minutes) and self.minutes > 0)
        self.require("minutes", timed, "above 0, or None")
        self.require(
            "minutes",
            not self.deterministic or self.minutes is None,
            "None with deterministic, because a run that depends on the clock differs "
            "from one time to the next (limit it by epochs)",
        )
        saved = is_number(self.checkpoint_seconds) and self.checkpoint_seconds >= 0
        self.require("checkpoint_seconds", saved, "0 or more")


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(Settings):
    """Settings of a network that is trained beside a linear baseline.

    A domain adds what else it reads, such as a batch size, and may declare a field
    again, with another default. val_fraction and test_fraction are checked if it has
    them.
    """

    positive_integers: ClassVar[tuple[str, ...]] = ("hidden",)
    """settings that must be a whole number, 1 or more"""

    max_fraction: ClassVar[float] = 0.8
    """upper limit of val_fraction and test_fraction"""

    default_minutes: ClassVar[float] = DEFAULT_MINUTES
    """minutes of a run by default, where it is auto"""

    keep: Literal["auto", "network"] = "auto"
    """auto: replace the linear baseline only if the network's validation loss (Brier
    score or squared error) is significantly lower (paired permutation test); network:
    always keep the network"""

    hidden: int = 64
    """hidden features of each layer"""

    epochs: int | None = None
    """maximum number of passes over the training split; None: chosen for the task"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: chosen for the task"""

    weight_decay: float = 0.02
    """decoupled weight decay of AdamW, per unit of learning rate"""

    patience: int = 0
    """epochs without a lower validation loss before training stops; 0: never stop
    early"""

    minutes: float | Literal["auto"] | None = "auto"
    """minutes for the whole run, from reading to the report; None: no limit; auto: 1,
    or no limit with --deterministic"""

    deterministic: bool = False
    """use float32 and deterministic kernels only, and no time limit: slower, same
    result on every run"""

    checkpoint_seconds: float = 10.0
    """maximum seconds of training that a killed run loses, plus one step"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.for_trainer()  # checks the values that it takes
        values = vars(self)
        for name in self.positive_integers:
            positive = is_integer(values[name], 1)
            self.require(name, positive, "a whole number, 1 or more")
        for name in {"val_fraction", "test_fraction"} & values.keys():
            fraction = values[name]
            fits = is_number(fraction) and 0 <= fraction <= self.max_fraction
            self.require(name, fits, f"from 0 to {self.max_fraction}")

    @property
    def time_limit(self) -> float | None:
        """Return the minutes that the run may take; None: no limit."""
        if self.minutes == "auto":
            return None if self.deterministic else self.default_minutes
        return self.minutes

    def for_trainer(self, **values: Any) -> TrainingSettings:
        """Return the options of the training loop; `values` replace some of them."""
        shared = set(self.names()) & set(TrainingSettings.names())
        options = {name: getattr(self, name) for name in shared}
        options["minutes"] = self.time_limit
        return TrainingSettings(**{**options, **values})


@cache
def field_docstrings(kind: type) -> dict[str, str]:
    """Return the docstring below each field of a dataclass and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):
            continue
        body = getattr(ast.parse(source).body[0], "body", [])
        for statement, following in pairwise(body):
            named = isinstance(statement, ast.AnnAssign)
            if named and isinstance(following, ast.Expr):
                text = getattr(following.value, "value", None)
                if isinstance(text, str):
                    target: Any = statement.target
                    found[target.id] = re.sub(r"\s+", " ", text).strip()
    return found
