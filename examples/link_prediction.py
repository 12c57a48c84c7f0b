"""Predict which characters of Les Misérables meet."""

import networkx as nx

import vicinal

graph = nx.les_miserables_graph()  # 77 characters, 254 pairs that meet

model = vicinal.LinkPredictor(random_state=0).fit(graph)
print(model.evaluate())  # on held-out edges and as many pairs that are not edges
print(model.most_likely(5))  # the most probable pairs that are not edges
print(model.most_likely(3, node="Valjean"))  # those of one node
print(model.predict_proba([("Valjean", "Javert"), ("Valjean", "Napoleon")]))
print(model.explain("Valjean", "Javert"))
