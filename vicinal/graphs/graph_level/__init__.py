"""Graph classification and regression: graph features, linear baseline, networks."""
