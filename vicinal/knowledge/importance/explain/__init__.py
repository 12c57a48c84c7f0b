"""Explain a score, and inspect the attention of the network."""
