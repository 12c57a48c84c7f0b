"""Recommendation: which items a user may choose next, from those of all users."""
