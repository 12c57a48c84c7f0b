"""Attributions of graph predictions to edges, nodes and features, and their tests."""
