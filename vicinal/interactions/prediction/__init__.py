"""Predictions for sets of drugs, and for drugs that are not in the table."""
