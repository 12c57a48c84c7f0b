"""Tell random graphs from small-world graphs."""

import networkx as nx

import vicinal

graphs = [nx.gnm_random_graph(20, 40, seed=k) for k in range(40)]
graphs += [nx.watts_strogatz_graph(20, 4, 0.1, seed=k) for k in range(40)]
labels = ["random"] * 40 + ["small world"] * 40

model = vicinal.GraphClassifier(network="none", random_state=0)
model.fit(graphs, labels)
print(model.evaluate())  # accuracy on the test split
print("predicted:", model.predict(graphs[:2]))
print(model.explain(graphs[0]))
