"""Models that score all items for a user."""
