"""Training runs on graphs, and their reports."""
