"""Sparse adjacency, its products, neighbour sampling, and arrays on disk."""
