"""Attributions of graph predictions to edges, nodes and features, each tested."""
