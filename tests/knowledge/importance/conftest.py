"""A generated graph of films whose importance has known causes, and a fitted model."""

import numpy as np
import pandas as pd
import pytest

from vicinal.knowledge.importance.models import boosting
from vicinal.knowledge.importance.regressor import ImportanceRegressor

PEOPLE, FILMS, GENRES = 120, 180, 6


@pytest.fixture(scope="session")
def films() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return triples and nodes: views depend on the genre, prizes, and popular actors.

    The number of facts of "mentioned in" does not matter.
    """
    rng = np.random.default_rng(0)
    fame, genre_value = rng.normal(size=PEOPLE), rng.normal(size=GENRES)
    rows, views = [], {}
    for film in range(FILMS):
        cast = rng.choice(PEOPLE, 3, replace=False)
        genre, prizes = int(rng.integers(GENRES)), int(rng.poisson(1.0))
        name = f"film-{film:03d}"
        rows += [(name, "stars", f"person-{k:03d}") for k in cast]
        rows.append((name, "genre", f"genre-{genre}"))
        rows += [(name, "won", f"prize-{k}") for k in rng.permutation(8)[:prizes]]
        pages = rng.permutation(40)[: rng.integers(1, 12)]
        rows += [(name, "mentioned in", f"page-{k:02d}") for k in pages]
        value = 3 + genre_value[genre] + 0.8 * prizes + fame[cast].mean()
        views[name] = float(np.round(np.exp(value + 0.2 * rng.normal())))
    known = list(views)[: FILMS - 20]
    nodes = pd.DataFrame({"id": known, "views": [views[k] for k in known]})
    nodes["title"] = [k.replace("film-", "Film ") for k in known]
    return pd.DataFrame(rows, columns=["head", "relation", "tail"]), nodes


@pytest.fixture(scope="session")
def regressor(films) -> ImportanceRegressor:
    triples, nodes = films
    model = ImportanceRegressor(target="views", folds=3, minutes=0.01)
    return model.fit(triples, nodes=nodes)


@pytest.fixture
def few_trees(monkeypatch) -> None:
    """Fit few trees, where the quality of the model does not matter."""
    monkeypatch.setattr(boosting, "ITERATIONS", 10)
