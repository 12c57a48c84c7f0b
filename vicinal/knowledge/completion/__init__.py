"""Completion of knowledge graphs: the estimator, its run and its commands."""
