"""Triples as people have them: reading, leaks between splits, cardinalities."""
