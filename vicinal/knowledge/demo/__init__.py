"""A demonstration of completion on a small real graph: the countries of the world."""
