"""Side effects of two or more drugs that are taken together."""
