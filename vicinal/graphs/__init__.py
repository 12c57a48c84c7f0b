"""The graph domains: tasks on nodes, links and whole graphs.

data         read graphs from tables, files and objects; feature encoding
sparse       sparse adjacency, aggregation, neighbour sampling
layers       graph layers, one paper per module
nodes        node-level networks, propagated features, ensembles, new nodes
links        link-level features, networks, splits and metrics
graph_level  features and networks for whole graphs
explain      attribution of predictions to nodes and edges
inspect      messages and activations of a network
runs         training runs and reports

`node_estimators`, `link_predictor` and `graph_estimators` hold the estimators.
"""
