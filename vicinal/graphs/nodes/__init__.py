"""Node classification and regression: splits, linear baseline, networks, ensembles."""
