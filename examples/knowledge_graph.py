"""Missing facts of a generated knowledge graph, and questions over it."""

import numpy as np

from vicinal import TriplePredictor

rng = np.random.default_rng(0)
triples = [(f"city-{k}", "lies_in", f"country-{k % 4}") for k in range(12)]
for k in range(120):
    city = int(rng.integers(12))
    triples.append((f"person-{k}", "born_in", f"city-{city}"))
    if k % 10:
        triples.append((f"person-{k}", "citizen_of", f"country-{city % 4}"))

model = TriplePredictor(minutes=0.02).fit(triples)
print(model.evaluate())
print(model.ask(["person-10", "citizen_of", "?"], top=2))
print(model.ask(["person-10", "born_in", "?x", "and", "?x", "lies_in", "?"], top=1))
print(model.predict_missing("citizen_of", top=3))
new = [("person-new", "born_in", "city-3")]
print(model.ask(["person-new", "citizen_of", "?"], top=1, facts=new))
