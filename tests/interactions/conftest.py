"""A model of the generated pharmacology, fitted once."""

import pytest

from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.demo import make_pharmacology
from vicinal.interactions.models import combination
from vicinal.interactions.predictor import InteractionPredictor

STEPS = 300
"""of training, with which the scores of the tests are about those of all 2000"""


@pytest.fixture(scope="session")
def pharmacology() -> InteractionTable:
    return make_pharmacology()


@pytest.fixture
def short_training(monkeypatch) -> None:
    """Train the networks that combine scores for fewer steps."""
    monkeypatch.setattr(combination, "MIN_STEPS", STEPS)


@pytest.fixture(scope="session")
def predictor(pharmacology) -> InteractionPredictor:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(combination, "MIN_STEPS", STEPS)
        return InteractionPredictor().fit(pharmacology)
