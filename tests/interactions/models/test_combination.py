"""The combination ranks better than the models that it combines."""

import numpy as np

from vicinal.interactions.evaluation import Questions, evaluate
from vicinal.interactions.models.combination import Combination


class Noisy:
    """Scores the product of the drugs' numbers with noise, on an effect's own scale."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def score(self, pairs, effect):
        noise = np.random.default_rng(self.seed).normal(size=(100, 100))
        first, second = pairs.T
        return 10.0**-effect * (truth_of(pairs) + noise[first, second])


def truth_of(pairs: np.ndarray) -> np.ndarray:
    return pairs.sum(axis=1) % 2 == 0


def ask(seed: int) -> list[Questions]:
    rng = np.random.default_rng(seed)
    pairs = [rng.integers(100, size=(500, 2)) for _ in range(3)]
    return [Questions(k, own, truth_of(own)) for k, own in enumerate(pairs)]


def test_two_noisy_models_together_are_better_on_every_scale():
    models = {"a": Noisy(1), "b": Noisy(2)}
    combined = Combination(models, ask(0))
    test = ask(1)
    alone = max(evaluate(m.score, test)[:, 0].mean() for m in models.values())
    found = evaluate(combined.score, test)[:, 0]
    assert found.mean() > alone + 0.03 and found.min() > alone
    # an effect without questions is scored too
    assert np.isfinite(combined.score(test[0].pairs, 7)).all()
