"""Explain and inspect predictions for pairs and sets of drugs."""
