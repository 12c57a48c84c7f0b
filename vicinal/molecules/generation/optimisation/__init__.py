"""Search for molecules with high scores."""
