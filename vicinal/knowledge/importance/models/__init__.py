"""Models of importance: baselines, ridge, boosting, a network of scores."""
