"""Breakdowns of graph predictions into messages, sums and scores."""
