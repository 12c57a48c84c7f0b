"""Read tables of nodes and edges, edge lists and node lists."""
