"""Effects of drugs taken together, in a generated table with targets."""

from itertools import combinations

import numpy as np
import pandas as pd

from vicinal import InteractionPredictor

rng = np.random.default_rng(0)
kinds = {f"drug-{k}": "abcdef"[k % 6] for k in range(60)}
effects = {"ab": "bleeding", "cd": "nausea", "ef": "dizziness", "ac": "headache"}
rows = [
    (first, second, effects[kinds[first] + kinds[second]])
    for first, second in combinations(kinds, 2)
    if kinds[first] + kinds[second] in effects and rng.random() < 0.8
]
table = pd.DataFrame(rows, columns=["drug_1", "drug_2", "effect"])
targets = pd.DataFrame({"id": kinds.keys(), "targets": kinds.values()})

model = InteractionPredictor().fit(table, drugs=targets)
print(model.evaluate())
print(model.predict([["drug-0", "drug-1", "drug-2"]], top=3))
print(model.predict_proba([["drug-0", "drug-7"], ["drug-2", "drug-9"]]).shape)
