"""What a user may set: said once, with its unit, and checked when it is made.

Each field is followed by one sentence that says what it is and in which unit. The
command line's flags and their help grow from these classes; nothing restates them.
"""

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from vicinal.errors import SettingError, near_names

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of all settings: checked when made, written to settings.json."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            self._check_choice(name, hint)

    def _check_choice(self, name: str, hint: Any) -> None:
        value = getattr(self, name)
        if get_origin(hint) is Literal and value not in get_args(hint):
            choices = ", ".join(get_args(hint))
            raise SettingError(
                f"{name} {value!r} is not known. Choose one of {choices}."
            )
        if hint is bool:
            self.require(name, isinstance(value, bool), "True or False")

    def require(self, name: str, holds: bool, wanted: str) -> None:
        """Raise a SettingError that names the setting unless its condition holds."""
        if not holds:
            got = getattr(self, name)
            raise SettingError(f"{name} must be {wanted}. Got {got!r} instead.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def names(cls) -> list[str]:
        return [field.name for field in fields(cls)]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make settings from names and values; an unknown name is an error."""
        for name in values:
            if name not in cls.names():
                hint = near_names(name, cls.names())
                raise SettingError(f"There is no setting {name!r}. {hint}")
        return cls(**values)


def is_number(value: object) -> bool:
    """Whether a value is a real number (and not a truth value or NaN)."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return real and value == value


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number from `least` on."""
    return is_number(value) and isinstance(value, int) and value >= least


@dataclass(frozen=True, kw_only=True)
class TrainingSettings(Settings):
    """How a network is trained, whatever it learns from."""

    epochs: int | None = None
    """passes over the training part, at most (patience may end it sooner); None: as
    many as --minutes have room for; without those 30, or 12 with --weights"""

    batch_size: int | None = None
    """examples per step, at most; None: 64, or 32 with --weights"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 2e-3, with --weights 1e-3"""

    weight_decay: float = 0.02
    """decoupled weight decay of AdamW, per unit of learning rate"""

    label_smoothing: float = 0.05
    """share of the target spread over all classes, 0 to 1 (one label per example)"""

    class_weight: Literal["none", "balanced"] = "none"
    """balanced: a rare class counts as much as a frequent one"""

    patience: int = 0
    """epochs without a better validation score before training stops; 0: never"""

    minutes: float | None = None
    """minutes for everything from the first look to the report; None: no limit"""

    precision: Precision = "auto"
    """number format of the products; auto: the fastest measured on this machine"""

    exact: bool = False
    """float32 and deterministic kernels only: slower, equal on every run"""

    checkpoint_seconds: float = 10.0
    """seconds of work that a kill may cost, at most (plus one step)"""

    def __post_init__(self) -> None:
        super().__post_init__()
        count = self.epochs is None or is_whole(self.epochs, 1)
        self.require("epochs", count, "a whole number, 1 or more")
        size = self.batch_size is None or is_whole(self.batch_size, 2)
        self.require("batch_size", size, "a whole number >= 2")
        rate = self.lr is None or (is_number(self.lr) and 0 < self.lr < 100)
        self.require("lr", rate, "above 0 and below 100")
        decay = is_number(self.weight_decay) and 0 <= self.weight_decay < inf
        self.require("weight_decay", decay, "0 or more")
        smooth = is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1
        self.require("label_smoothing", smooth, "from 0 to below 1")
        patient = is_whole(self.patience, 0)
        self.require("patience", patient, "a whole number, 0 or more")
        timed = self.minutes is None or (is_number(self.minutes) and self.minutes > 0)
        self.require("minutes", timed, "above 0, or not given")
        saved = is_number(self.checkpoint_seconds) and self.checkpoint_seconds >= 0
        self.require("checkpoint_seconds", saved, "0 or more")
