"""A model of the generated pharmacology, fitted once."""

import pytest

from vicinal.interactions.data.interaction_table import InteractionTable
from vicinal.interactions.demo import make_pharmacology
from vicinal.interactions.predictor import InteractionPredictor


@pytest.fixture(scope="session")
def pharmacology() -> InteractionTable:
    return make_pharmacology()


@pytest.fixture(scope="session")
def predictor(pharmacology) -> InteractionPredictor:
    return InteractionPredictor().fit(pharmacology)
