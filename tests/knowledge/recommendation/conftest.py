"""A recommender fitted to the generated table, once."""

import pytest

from vicinal.knowledge.recommendation.data.user_items import UserItems
from vicinal.knowledge.recommendation.demo import make_tastes
from vicinal.knowledge.recommendation.recommender import Recommender


@pytest.fixture(scope="session")
def tastes() -> UserItems:
    return make_tastes()


@pytest.fixture(scope="session")
def recommender(tastes) -> Recommender:
    return Recommender(epochs=5).fit(tastes)
