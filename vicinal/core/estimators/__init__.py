"""The base that every estimator shares."""
