"""Sparse adjacency, aggregation, edge functions, neighbour sampling, memory mapping."""
