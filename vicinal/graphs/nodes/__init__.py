"""Node classification and regression: splits, baselines, networks, ensembles."""
