"""Items for users, in a generated table of tastes."""

import numpy as np
import pandas as pd

from vicinal import Recommender

rng = np.random.default_rng(0)
styles = rng.integers(4, size=60)  # of the items
rows = []
for user in range(80):
    liked = np.flatnonzero(styles == user % 4)
    chosen = rng.choice(liked, 8, replace=False)
    rows += [(f"user-{user}", f"item-{k}") for k in chosen]

model = Recommender(epochs=10).fit(pd.DataFrame(rows, columns=["user", "item"]))
print(model.evaluate())
print(model.recommend(["user-3"], top=3))
print(model.recommend_new([["item-0", "item-1"]], top=3))
