"""Options of molecules. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Any, Literal

from vicinal.core.settings import NetworkSettings, Settings, is_integer, is_number

DEFAULT_MINUTES = 5.0
"""time limit of a run"""

MAX_STEPS = 20
"""steps of message passing, in training and in a model file"""


FEW_MOLECULES, DROPOUT_OF_FEW = 2_000, 0.1
"""networks of fewer molecules overfit without dropout"""


SplitMethod = Literal["scaffold", "butina", "random"]
"""ways of holding molecules out together; see `splits`"""


@dataclass(frozen=True, kw_only=True)
class MoleculeColumns(Settings):
    """Columns of a table of molecules, by Chemprop's names, and what they hold."""

    smiles_columns: tuple[str, ...] | None = None
    """column of SMILES or InChI; None: smiles or the like, or one that holds them"""

    target_columns: tuple[str, ...] | None = None
    """columns of what is predicted; None: label, target or the like, the only column of
    numbers, or all columns of 0 and 1"""

    ignore_columns: tuple[str, ...] | None = None
    """columns that are not read"""

    weight_column: str | None = None
    """column of the weight of each row: in the loss of networks, while the Gaussian
    process divides the noise of a measurement by it. Rows of weight 0 are not used.
    None: the number of replicates"""

    splits_column: str | None = None
    """column of train, val and test; None: split, if there is one"""

    time_column: str | None = None
    """column of dates or numbers; the newest molecules are the test split. None: date
    or year, if there is one, with --split time"""

    positive_class: str | None = None
    """of two classes the one whose probability is predicted, such as toxic; None: 1,
    yes, active or the like, else the second in order"""

    def columns(self) -> "MoleculeColumns":
        """Return these options alone."""
        return MoleculeColumns(**{k: getattr(self, k) for k in MoleculeColumns.names()})

    def __post_init__(self) -> None:
        if isinstance(self.positive_class, int):
            object.__setattr__(self, "positive_class", str(self.positive_class))
        super().__post_init__()
        for name in ("smiles_columns", "target_columns", "ignore_columns"):
            value: Any = getattr(self, name)
            if isinstance(value, (list, str)):  # as read from JSON, or one name
                value = (value,) if isinstance(value, str) else tuple(value)
                object.__setattr__(self, name, value)
            valid = value is None or (
                isinstance(value, tuple) and all(isinstance(k, str) for k in value)
            )
            self.require(name, valid, "names of columns")


@dataclass(frozen=True, kw_only=True)
class MoleculeSettings(MoleculeColumns, NetworkSettings):
    """Training options for properties of molecules."""

    positive_integers = ("hidden", "steps")
    default_minutes = DEFAULT_MINUTES

    split: Literal["scaffold", "butina", "random", "time"] = "scaffold"
    """molecules that are held out together: of one scaffold, of one cluster of similar
    fingerprints (butina), or of one compound only (random); time: the newest molecules
    are the test split, the others are held out by scaffold"""

    folds: int = 5
    """folds of the cross-validation, in which those molecules are kept together"""

    test_fraction: float = 0.0
    """share of the molecules for a test split of its own, if the data have none; 0: the
    score is that of the cross-validation, and of a split by time 0.2 is taken"""

    descriptors: Literal["auto", "fast", "all"] = "auto"
    """descriptors of RDKit: 43 that are computed in C++ (fast) or 206 (all), which take
    six times as long; auto: all for few small molecules"""

    network: Literal["auto", "none", "dmpnn", "gine"] = "auto"
    """graph network to train beside the baseline: with messages along directed bonds
    (dmpnn), or of atoms (gine); auto: dmpnn; none: only the baseline"""

    network_descriptors: bool = True
    """give the network the descriptors at its readout; without them it explains its
    predictions by atoms alone"""

    keep: Literal["auto", "network"] = "auto"
    """auto: the average with the network replaces the baseline only if its loss in the
    cross-validation is significantly lower (paired permutation test of ranks); network:
    always keep the network"""

    ensemble_size: int | None = None
    """networks to train, each without the molecules of one fold, at most one for each
    fold; None: one for each, or fewer if --minutes is too short for them"""

    hidden: int = 128
    """features of each message"""

    steps: int = 3
    """steps of message passing: bonds that information travels"""

    dropout: float | None = None
    """dropout probability, from 0 to below 1; None: 0.1 for fewer than 2,000 molecules,
    else 0"""

    batch_size: int = 64
    """molecules per step of training"""

    epochs: int | None = None
    """maximum number of passes over the molecules; None: 30"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 2e-3"""

    minutes: float | Literal["auto"] | None = "auto"
    """minutes for the whole run, from reading to the report; None: no limit; auto: 5,
    or no limit with --deterministic"""

    coverage: float = 0.9
    """share of new measurements that prediction intervals should contain, above 0 and
    below 1 (regression)"""

    @property
    def grouping(self) -> SplitMethod:
        """Return which molecules are in one fold."""
        return "scaffold" if self.split == "time" else self.split

    def dropout_for(self, num_molecules: int) -> float:
        """Return the dropout probability of networks of so many molecules."""
        if self.dropout is not None:
            return self.dropout
        return DROPOUT_OF_FEW if num_molecules < FEW_MOLECULES else 0.0

    @property
    def splits_by_time(self) -> bool:
        """Return whether the newest molecules are the test split."""
        return self.split == "time" or self.time_column is not None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("folds", is_integer(self.folds, 2), "a whole number, 2 or more")
        size = self.ensemble_size
        fits = size is None or (is_integer(size, 1) and size <= self.folds)
        most = f"a whole number from 1 to the number of folds ({self.folds})"
        self.require("ensemble_size", fits, most)
        self.require("batch_size", is_integer(self.batch_size, 2), "2 or more")
        many = is_integer(self.steps, MAX_STEPS + 1)
        self.require("steps", not many, f"at most {MAX_STEPS}")
        drop = self.dropout is None or (
            is_number(self.dropout) and 0 <= self.dropout < 1
        )
        self.require("dropout", drop, "from 0 to below 1")
        share = is_number(self.coverage) and 0 < self.coverage < 1
        self.require("coverage", share, "above 0 and below 1")
