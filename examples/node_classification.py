"""Classify the members of a karate club by their friendships."""

import networkx as nx

import vicinal

graph = nx.karate_club_graph()  # 34 members; the attribute `club` is the label

model = vicinal.NodeClassifier(minutes=0.1, network="none", random_state=0)
model.fit(graph, target="club")
print(model.evaluate())  # accuracy on the test split, with interval and baselines
print("predicted:", model.predict(["0", "33"]))
print("embeddings:", model.transform().shape)

explanation = model.explain("16")  # a notebook shows the neighbourhood
print(explanation)
