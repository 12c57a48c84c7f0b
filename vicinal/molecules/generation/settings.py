"""Options of the generator. Flags and their help are generated from the fields."""

from dataclasses import dataclass
from typing import Literal

from vicinal.core.settings import NetworkSettings, is_integer, is_number

DEFAULT_MINUTES = 5.0
"""time limit of a run"""

MAX_LAYERS, MAX_ORDERS = 20, 100
TRAINING_SHARE = 0.8
"""of the time limit, from reading to the end of training"""


@dataclass(frozen=True, kw_only=True)
class GeneratorSettings(NetworkSettings):
    """Training options of the generator of molecules."""

    positive_integers = (
        *("hidden", "layers", "heads", "min_count", "orders", "num_samples"),
    )
    default_minutes = DEFAULT_MINUTES

    smiles_columns: tuple[str, ...] | None = None
    """column of SMILES or InChI; None: smiles or the like, or one that holds them"""

    min_count: int = 3
    """occurrences from which a fragment is in the vocabulary; molecules with rarer ones
    are not trained on"""

    orders: int = 4
    """orders of growth of each molecule, each from another fragment"""

    val_fraction: float = 0.05
    """share of the molecules on which the network is compared with the counts; without
    it, only --keep network keeps one"""

    test_fraction: float = 0.05
    """share of the molecules that is held out for the test"""

    num_samples: int = 1000
    """molecules that a run draws, to compare them with those of the null models"""

    network: Literal["transformer", "none"] = "transformer"
    """transformer: a graph transformer corrects the counts of fragments; none: counts
    alone"""

    keep: Literal["auto", "network"] = "auto"
    """auto: the network is used only if held-out molecules are likelier with it
    (paired permutation test); network: always use it"""

    hidden: int = 128
    """features of each fragment"""

    layers: int = 2
    """layers of attention"""

    heads: int = 4
    """heads of attention, which divide the features"""

    dropout: float = 0.15
    """dropout probability, from 0 to below 1"""

    batch_size: int = 128
    """molecules per step of training"""

    epochs: int | None = None
    """maximum number of passes over all orders of growth; None: 2"""

    lr: float | None = None
    """peak learning rate of the one-cycle schedule; None: 4e-3"""

    minutes: float | Literal["auto"] | None = "auto"
    """minutes for the whole run, from reading to the report; None: no limit; auto: 5,
    or no limit with --deterministic"""

    @property
    def training_minutes(self) -> float | None:
        """Return the minutes until training ends; the rest is for the evaluation."""
        return None if self.time_limit is None else TRAINING_SHARE * self.time_limit

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("batch_size", is_integer(self.batch_size, 2), "2 or more")
        drop = is_number(self.dropout) and 0 <= self.dropout < 1
        self.require("dropout", drop, "from 0 to below 1")
        for name, most in (("layers", MAX_LAYERS), ("orders", MAX_ORDERS)):
            few = not is_integer(getattr(self, name), most + 1)
            self.require(name, few, f"at most {most}")
        held_out = self.val_fraction + self.test_fraction
        fits = held_out < 1
        self.require("test_fraction", fits, "less than 1 with val_fraction")
        fits = self.hidden % self.heads == 0
        self.require("heads", fits, f"a divisor of hidden ({self.hidden})")
