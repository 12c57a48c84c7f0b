"""Settings: every check and message, and JSON."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from vicinal.core.settings import (
    Settings,
    TrainingSettings,
    check_seed,
    is_integer,
    is_number,
)
from vicinal.errors import SettingError

sweep = rules(max_examples=60, deadline=None, database=None)
nan, inf = float("nan"), float("inf")

NO_NUMBER = ["1", None, True, nan]
WRONG = [value for value in NO_NUMBER if value is not None]
BELOW_1 = [*WRONG, 0, -1, 1.0, 2.5, inf]
REFUSED = {
    "epochs": BELOW_1,
    "batch_size": [*BELOW_1, 1],
    "lr": [*WRONG, 0, -0.1, 100, inf],
    "weight_decay": [*NO_NUMBER, -0.1, inf],
    "label_smoothing": [*NO_NUMBER, -0.1, 1, 1.5],
    "class_weight": ["Balanced", "", None, 1],
    "patience": [*NO_NUMBER, -1, 1.0, inf],
    "minutes": ["1", True, nan, 0, -1],
    "precision": ["float16", "fp32", None, 32],
    "deterministic": ["False", 0, 1, None],
    "checkpoint_seconds": [*NO_NUMBER, -1],
}
TAKEN = {
    "epochs": [None, 1, 10_000],
    "batch_size": [None, 2, 4096],
    "lr": [None, 1e-9, 1, 99.0],
    "weight_decay": [0, 0.5],
    "label_smoothing": [0, 0.999],
    "class_weight": ["none", "balanced"],
    "patience": [0, 7],
    "minutes": [None, 0.01, 90],
    "precision": ["auto", "float32", "bfloat16"],
    "deterministic": [True, False],
    "checkpoint_seconds": [0, 1.5, inf],
}
pairs = {
    "refused": [(name, value) for name, values in REFUSED.items() for value in values],
    "taken": [(name, value) for name, values in TAKEN.items() for value in values],
}


def test_every_setting_is_tested_below():
    assert set(REFUSED) == set(TAKEN) == set(TrainingSettings.names())


@pytest.mark.parametrize(("name", "value"), pairs["refused"])
def test_invalid_values_are_rejected_with_name_and_value(name, value):
    with pytest.raises(SettingError) as caught:
        TrainingSettings(**{name: value})
    assert str(caught.value).startswith(name) and repr(value) in str(caught.value)


@pytest.mark.parametrize(("name", "value"), pairs["taken"])
def test_valid_values_are_kept(name, value):
    assert getattr(TrainingSettings(**{name: value}), name) is value


def test_the_message_says_what_is_expected():
    with pytest.raises(SettingError, match=r"above 0 and below 100\. Got 100 "):
        TrainingSettings(lr=100)
    with pytest.raises(SettingError, match="auto, float32, bfloat16"):
        TrainingSettings(precision="half")  # pyright: ignore[reportArgumentType]


def test_an_unknown_name_suggests_a_similar_one():
    with pytest.raises(SettingError, match=r"'epoch'.*Did you mean 'epochs'.*Known: "):
        TrainingSettings.from_dict({"epoch": 3})
    with pytest.raises(SettingError, match=r"no setting 'qqq'\. Known: batch_size"):
        TrainingSettings.from_dict({"qqq": 3})


@sweep
@given(st.data())
def test_json_round_trip(data):
    values = {name: data.draw(st.sampled_from(TAKEN[name])) for name in TAKEN}
    if values["deterministic"]:
        values["minutes"] = None  # they exclude each other
    made = TrainingSettings(**values)
    text = json.dumps(made.to_dict())
    assert TrainingSettings.from_dict(json.loads(text)) == made
    assert made.to_dict() == values


def test_missing_values_have_their_defaults():
    assert TrainingSettings.from_dict({"epochs": 3}) == TrainingSettings(epochs=3)


def test_settings_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingSettings().epochs = 3  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True, kw_only=True)
class Soup(Settings):
    """A settings class as a wing would add one."""

    spice: Literal["mild", "hot"] = "mild"
    hot: bool = True
    name: str = "any text"


def test_subclasses_get_the_same_checks():
    assert Soup(spice="hot", name="x").to_dict() == {
        "spice": "hot",
        "hot": True,
        "name": "x",
    }
    with pytest.raises(
        SettingError, match=r"spice must be one of mild, hot\. Got 'tepid'"
    ):
        Soup.from_dict({"spice": "tepid"})
    with pytest.raises(SettingError, match="hot must be True or False"):
        Soup.from_dict({"hot": "yes"})


def test_numbers_and_integers():
    assert [is_number(v) for v in (1, 0.5, inf, True, nan, "1", None)] == [
        *[True] * 3,
        *[False] * 4,
    ]
    assert is_integer(3, 3) and not is_integer(2, 3) and not is_integer(3.0, 3)


@pytest.mark.parametrize("value", [-1, 1.0, "1", True, None, nan, np.int64(-1)])
def test_a_seed_is_a_whole_number(value):
    for seed in (0, np.int64(3), np.uint8(3)):
        check_seed(seed)
    message = f"random_state must be a whole number, 0 or more. Got {value!r} instead."
    with pytest.raises(SettingError) as caught:
        check_seed(value, "random_state")
    assert str(caught.value) == message
